// Which generation a run gets: a pure decision, asked again whenever something has changed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include <pfctl/loop.hpp>

namespace pf::ctl {

struct GenerationCandidate {
  std::int64_t id = 0;
  bool booting = false;
  bool suits = false;                  // process key, and (once it is known) the environment that collection read
  bool covers = true;                  // it has collected, or is about to collect, all that the run names
  bool wider = false;                  // and clearly more
  TimePoint boot_started{};
  TimePoint last_used{};
  std::optional<bool> fresh;           // this run's own check; nullopt = not checked yet
};

struct GenerationChoice {
  enum class Step : std::uint8_t { use, check, wait, boot };
  Step step = Step::boot;
  std::int64_t id = 0;                 // of the generation to use, check or wait for
};

// A generation whose boot began after the run was received cannot be older than the run's view of the files: it is used
// unchecked. So a file that changes all the time costs a run one boot, not an endless row of them. Of several fresh ones, one that
// covers the run comes first. A boot that collects more than the run names is not waited for: a boot of its own takes less time;
// one that collects what the run names is, rather than using a generation that did not.
[[nodiscard]] GenerationChoice choose_generation(std::span<const GenerationCandidate> candidates, TimePoint received);

}  // namespace pf::ctl
