// A run's items as the groups that its workers ran, and what each worker had to set up for itself: what bound, verdict and
// advice are made of. Pure; any thread. Durations that come in are made to fit as in metrics.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <pfcore/export.hpp>
#include <pfcore/metrics.hpp>
#include <pfcore/worker_advice.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// One item as it was run; what tries of it took is in its times.
struct RunItem {
  std::uint32_t item = 0;              // its place in the run, and in the group words
  std::uint32_t worker = 0;
  std::uint32_t life = 0;              // of that worker: one that was lost and replaced has several
  std::chrono::nanoseconds busy{};     // wall time of its protocol
  std::chrono::nanoseconds cpu{};
  std::chrono::nanoseconds queued{};
  std::chrono::nanoseconds setup{};    // parts of the three above
  std::chrono::nanoseconds setup_cpu{};
  std::chrono::nanoseconds setup_queued{};
};

struct RunGroup {
  std::uint32_t first_item = 0;
  std::size_t items = 0;
  GroupTimes times;
};

struct RunGroups {
  // What one worker had to run as a whole: items of one group between which a cut costs a set-up or is not allowed. A group whose
  // parts were run by several workers is one entry a part, as for wall_bound().
  std::vector<RunGroup> groups;
  std::vector<std::chrono::nanoseconds> as_run;   // the groups' busy times
  std::vector<GroupTimes> without_start;          // their times without what is in `start`, for advise_workers()
  // What every worker set up before its first item could be called, beyond what such an item's set-up takes elsewhere: fixtures of
  // the session, or of a group that every worker took a part of. Of the workers' figures the least: more is not known to be
  // everybody's.
  GroupTimes start;
};

// `items`: each worker's in the order in which it ran them; the workers may be mixed. `words`: the run's group words (plan.hpp);
// an item beyond them is a group of its own.
[[nodiscard]] RunGroups run_groups(std::span<const RunItem> items, std::span<const std::uint32_t> words);

}  // namespace pf::core
PF_CORE_API_END
