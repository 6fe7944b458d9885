// How many workers a suite is worth, and why not more: the measured groups planned anew for each count.
// Pure; any thread. Durations that come in are made to fit as in metrics.hpp; no result is NaN or infinite.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <pfcore/export.hpp>
#include <pfcore/metrics.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// What one worker has to run as a whole: a group that shares set-up, or a single item of one that may be split.
struct GroupTimes {
  std::chrono::nanoseconds wall{};
  std::chrono::nanoseconds cpu{};      // of all threads
  std::chrono::nanoseconds queued{};   // of wall: ready to run, and no processor free; 0 = not known
};

// No more workers a processor are considered. What tests wait for beyond that (a database, a service) is more often one
// thing that they share than something that more of them get more of; and each worker takes memory.
inline constexpr std::size_t k_most_workers_per_processor = 4;
inline constexpr std::size_t k_most_workers = 1024;

struct AdviceInput {
  std::span<const GroupTimes> groups;
  std::size_t workers = 1;             // of the run that was measured
  std::size_t processors = 1;          // that the run may use
  std::chrono::nanoseconds start{};    // what each worker spends before its first item, with what it sets up for itself
  std::chrono::nanoseconds start_cpu{};
  std::size_t most_workers = 0;        // 0 = k_most_workers_per_processor * processors; never more than k_most_workers
};

// Why the advised count is the one, and more would not help.
enum class AdviceReason : std::uint8_t {
  nothing_to_run,   // no groups, or none that takes time
  few_groups,       // each group has a worker of its own already
  longest_group,    // the longest group takes as long as the run would: the others would wait for it
  processors,       // the tests keep all processors occupied
  start_cost,       // one more worker costs as much as it takes off the others
  most_workers,     // the largest count that was considered: more may help (the tests wait)
};
// "nothing-to-run", "few-groups", "longest-group", "processors", "start-cost", "most-workers".
[[nodiscard]] std::string_view to_string(AdviceReason reason) noexcept;

struct WorkerAdvice {
  std::size_t workers = 1;             // the least count whose wall time is within k_advice_slack of the best one's
  AdviceReason reason = AdviceReason::nothing_to_run;
  std::chrono::nanoseconds wall{};     // expected with the advised count,
  std::chrono::nanoseconds now{};      // with the measured one: what the measured wall time is to be compared with,
  std::chrono::nanoseconds best{};     // and with the best one
  std::size_t best_workers = 1;
  std::chrono::nanoseconds longest_group{};
  std::size_t longest_index = 0;
  double cpu_share = 0;                // processor time of the groups over their time without queueing; above 1 with threads
  std::vector<std::chrono::nanoseconds> walls;   // walls[i]: expected with i + 1 workers

  // More workers than were measured shorten the run by more than the slack; fewer do not lengthen it by more.
  [[nodiscard]] bool more(const AdviceInput& input) const noexcept { return workers > input.workers; }
  [[nodiscard]] bool fewer(const AdviceInput& input) const noexcept { return workers < input.workers; }
};

// What two runs of one suite differ by anyway, and what make_plan() does not split a group for.
inline constexpr double k_advice_slack = 0.05;

// The expected wall time with w workers is the larger of
//   * the longest-first plan: each group, the longest first, to the worker that is free first, workers beginning at `start`
//     (LPT: Graham, "Bounds on Multiprocessing Timing Anomalies", 1969; at most 4/3 - 1/(3w) of the best plan's),
//   * the processors' limit: (cpu of the groups + start_cpu of the workers that get a group) / processors.
// A group's time is its wall time without queueing: with enough processors it would not have waited for one. Where queueing
// is not known and workers > processors, the times are too long, and so is every expected wall time.
// (The predecessor advises processors / (cpu / busy) workers, whatever the groups are.)
[[nodiscard]] std::chrono::nanoseconds expected_wall(const AdviceInput& input, std::size_t workers);

[[nodiscard]] WorkerAdvice advise_workers(const AdviceInput& input);

}  // namespace pf::core
PF_CORE_API_END
