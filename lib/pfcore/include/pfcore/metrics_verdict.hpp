// What a run's time was lost to, in one word with its figures.
// Pure; any thread. Durations that come in are made to fit as in metrics.hpp; no result is NaN or infinite.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <pfcore/export.hpp>
#include <pfcore/metrics.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

enum class RunVerdict : std::uint8_t {
  nothing_ran,      // no worker was in any item
  balanced,         // none of the following
  too_few_tests,    // fewer items than workers, or starting and feeding the workers took longer than the items
  long_tail,        // workers without work while others ran on
  setup_bound,      // fixtures take more than the calls are worth
  waiting,          // items wait: for input, output, a sleep, a lock
  oversubscribed,   // more workers than processors, and items wait for one
};
// "nothing ran", "balanced", "too few tests", "long tail", "set-up bound", "waiting on input/output", "oversubscribed".
[[nodiscard]] std::string_view to_string(RunVerdict verdict) noexcept;

struct VerdictInput {
  RunTimes times;
  WallBound bound;                   // of the groups as they were run, on as many workers
  std::chrono::nanoseconds setup{};  // of the workers' busy time: set-up and teardown of all items
  std::size_t items = 0;
  std::size_t processors = 1;        // that the run may use
};

// From these on a cause is one. Shares of workers * wall:
inline constexpr double k_too_few_share = 0.50;         // start + bus wait: more than was run
inline constexpr double k_tail_share = 0.15;            // the predecessor's spread of the workers' walls
inline constexpr double k_structural_tail_share = 1.0 / 3;  // with one group above its fair share: whatever else is, it is that
// Shares of busy:
inline constexpr double k_setup_share = 0.40;
inline constexpr double k_waiting_share = 0.50;
inline constexpr double k_queued_share = 0.20;
// Of the processors, where queueing is not known: so many are occupied that nothing else can be waited for.
inline constexpr double k_saturated_share = 0.90;
// And a worker's mean tail is at least this: in a short run, any group leaves a large share.
inline constexpr std::chrono::nanoseconds k_least_tail = std::chrono::milliseconds{50};

// The verdict, and what each cause took, in worker time: causes overlap (a set-up can wait), so that they are no sum.
struct Assessment {
  RunVerdict verdict = RunVerdict::nothing_ran;
  std::chrono::nanoseconds feeding{};   // start + bus wait
  std::chrono::nanoseconds tail{};
  std::chrono::nanoseconds setup{};     // at most busy
  std::chrono::nanoseconds queued{};    // as measured; where it is not known and the processors are saturated: busy - cpu
  std::chrono::nanoseconds waiting{};   // busy - cpu - queued, of the run as a whole
  double feeding_share = 0;             // of workers * wall, 0 to 1
  double tail_share = 0;                // of workers * wall
  double setup_share = 0;               // of busy
  double queued_share = 0;              // of busy
  double waiting_share = 0;             // of busy
};

// nothing_ran and too_few_tests first; then a tail of k_structural_tail_share and more behind one group that is longer than
// work / workers; then, of the causes that reach their share, the one that took most worker time. Waiting is no cause beside
// set-up: it may be the set-up that waits, and that can be mended. (The predecessor's first match is the verdict, and a run of
// sleeps with an odd test is a straggler's.)
// With threads, cpu hides waiting: what one thread waits, another may compute.
[[nodiscard]] Assessment assess(const VerdictInput& input) noexcept;

}  // namespace pf::core
PF_CORE_API_END
