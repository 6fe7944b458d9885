// Where a run's time went: percentiles of durations, the account of each worker's time, parallelism, and efficiency against
// the least wall time that the same groups could have taken.
//
// Pure functions of plain numbers; any thread. Every duration is a whole number of nanoseconds, so that sums are exact. What
// comes in is made to fit before it is used: below zero counts as zero, above k_longest_duration as that. No result is NaN
// or infinite, and no sum overflows: one that would stays at the largest value.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <pfcore/export.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

inline constexpr std::chrono::nanoseconds k_longest_duration = std::chrono::seconds{1'000'000};

// The seconds of a report as nanoseconds, rounded to the nearest. Not a number, or below zero: zero.
[[nodiscard]] std::chrono::nanoseconds from_seconds(double seconds) noexcept;
[[nodiscard]] double to_seconds(std::chrono::nanoseconds duration) noexcept;

// part / whole; 0 when either is not above zero.
[[nodiscard]] double share_of(std::chrono::nanoseconds part, std::chrono::nanoseconds whole) noexcept;

[[nodiscard]] std::chrono::nanoseconds sum_of(std::span<const std::chrono::nanoseconds> durations) noexcept;

// ---------------------------------------------------------------- percentiles

// The nearest-rank percentile: the smallest of the values that at least per_mille / 1000 of all values do not exceed. It is
// always one of the values (type 1 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996), so that a report
// can name the test that it is of. `sorted` ascends. 0 gives the smallest, 1000 and more the largest; no values give 0.
[[nodiscard]] std::chrono::nanoseconds nearest_rank(std::span<const std::chrono::nanoseconds> sorted, unsigned per_mille) noexcept;

struct Percentiles {
  std::chrono::nanoseconds p50{};
  std::chrono::nanoseconds p90{};
  std::chrono::nanoseconds p95{};
  std::chrono::nanoseconds p99{};
  std::chrono::nanoseconds longest{};
};
[[nodiscard]] Percentiles percentiles_of(std::vector<std::chrono::nanoseconds> durations);

// ---------------------------------------------------------------- the workers' account

// One process in a worker's place. A worker that was lost and replaced has several. Times are since the run's start, which
// is when its workers were asked for.
struct WorkerLife {
  std::uint32_t worker = 0;              // its place, from 0
  std::chrono::nanoseconds begun{};      // it asked for its first item
  std::chrono::nanoseconds ended{};      // its last item was over; for a lost one, when it was lost
  std::chrono::nanoseconds busy{};       // wall time inside the items' protocols: set-up, call, teardown
  std::chrono::nanoseconds cpu{};        // processor time meanwhile, of all of its threads: can be above busy
  std::chrono::nanoseconds queued{};     // meanwhile ready to run, and no processor free (/proc/PID/schedstat); 0 = not known
  std::uint32_t ran = 0;                 // items
};

// What one worker's part of the wall time was spent on. The four parts have common edges, so that nothing is lost or counted
// twice: busy + bus_wait + start + tail == the run's wall time, to the nanosecond.
struct WorkerTimes {
  std::chrono::nanoseconds busy{};
  std::chrono::nanoseconds bus_wait{};   // between begun and ended, in no item: to report and to claim
  std::chrono::nanoseconds start{};      // from the run's start to begun; of a replacement, from the other's end
  std::chrono::nanoseconds tail{};       // from ended to the run's end: no work is left, others are not done
  std::chrono::nanoseconds cpu{};        // not a part of the sum
  std::chrono::nanoseconds queued{};     // at most busy; not a part of the sum
  std::uint64_t ran = 0;
  std::uint32_t lives = 0;

  [[nodiscard]] std::chrono::nanoseconds idle() const noexcept;    // bus_wait + start + tail
  [[nodiscard]] std::chrono::nanoseconds total() const noexcept;   // busy + idle
};

struct RunTimes {
  std::chrono::nanoseconds wall{};       // from the run's start to the last result
  std::vector<WorkerTimes> workers;
  WorkerTimes sum;                       // sum.total() == workers.size() * wall
  // Busy time and lives that do not fit into the wall time or in no worker's place, and were cut off to make the account
  // add up. Above zero it says that the measurement, not the account, is wrong.
  std::chrono::nanoseconds cut_off{};
};

// A worker without a life never began: all of its wall time is start. A life that begins before its predecessor's end begins
// with it; one that ends before it begins is empty; busy is at most what lies between. Order does not matter.
// (The predecessor adds up busy and bus wait as two sums of clock readings and takes the workers' own walls, which begin
// before the run's; what is between the readings is in no figure.)
[[nodiscard]] RunTimes account_of(std::vector<WorkerLife> lives, std::size_t workers, std::chrono::nanoseconds wall);

// busy / wall: how many workers were in an item on average, 0 to workers. 0 when the wall time is.
[[nodiscard]] double parallelism(const RunTimes& times) noexcept;
// cpu / wall: how many processors the items kept occupied on average.
[[nodiscard]] double cpu_parallelism(const RunTimes& times) noexcept;

// ---------------------------------------------------------------- the bound

// No order of the groups on this many workers takes less than bound() (Graham, "Bounds on Multiprocessing Timing Anomalies",
// 1969): a group is run by one worker, and all of the work by all of them.
struct WallBound {
  std::chrono::nanoseconds work{};            // sum of the groups
  std::chrono::nanoseconds share{};           // work / workers, rounded up: a wall time of whole nanoseconds is not less
  std::chrono::nanoseconds longest_group{};
  std::size_t longest_index = 0;              // the first of the longest; 0 as well when there is none

  [[nodiscard]] std::chrono::nanoseconds bound() const noexcept;
  [[nodiscard]] bool by_longest_group() const noexcept { return longest_group > share; }
};

// groups: what each group that one worker ran as a whole took. A group whose parts were run by several workers is one entry
// a part. No workers count as one.
[[nodiscard]] WallBound wall_bound(std::span<const std::chrono::nanoseconds> groups, std::size_t workers) noexcept;

// bound / wall, 0 to 1: 1 is a run that no plan makes shorter on this many workers. 1 as well when there was nothing to do.
// (The predecessor's `eff` is parallelism / workers, and blames a plan for a test that is long.)
[[nodiscard]] double efficiency(const WallBound& bound, std::chrono::nanoseconds wall) noexcept;

}  // namespace pf::core
PF_CORE_API_END
