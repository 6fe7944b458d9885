#include <pfcore/metrics.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

#include "metrics_sums.hpp"

namespace pf::core {
namespace {

using std::chrono::nanoseconds;

constexpr double k_ns_per_s = 1e9;

void add(WorkerTimes& sum, const WorkerTimes& one) noexcept {
  sum.busy = plus(sum.busy, one.busy);
  sum.bus_wait = plus(sum.bus_wait, one.bus_wait);
  sum.start = plus(sum.start, one.start);
  sum.tail = plus(sum.tail, one.tail);
  sum.cpu = plus(sum.cpu, one.cpu);
  sum.queued = plus(sum.queued, one.queued);
  sum.ran += one.ran;
  sum.lives += one.lives;
}

// Adds one life to its worker, whose account goes up to `at`; returns where it goes up to now.
nanoseconds live(WorkerTimes& worker, const WorkerLife& life, nanoseconds at, nanoseconds wall, nanoseconds& cut_off) noexcept {
  const nanoseconds begun = std::clamp(fitted(life.begun), at, wall);
  const nanoseconds ended = std::clamp(fitted(life.ended), begun, wall);
  const nanoseconds busy = std::min(fitted(life.busy), ended - begun);
  worker.start += begun - at;
  worker.busy += busy;
  worker.bus_wait += ended - begun - busy;
  worker.cpu = plus(worker.cpu, fitted(life.cpu));
  worker.queued += std::min(fitted(life.queued), busy);
  worker.ran += life.ran;
  worker.lives += 1;
  cut_off = plus(cut_off, fitted(life.busy) - busy);
  return ended;
}

}  // namespace

nanoseconds from_seconds(double seconds) noexcept {
  if (!(seconds > 0)) return nanoseconds::zero();
  if (seconds >= to_seconds(k_longest_duration)) return k_longest_duration;
  return nanoseconds{std::llround(seconds * k_ns_per_s)};
}

double to_seconds(nanoseconds duration) noexcept { return static_cast<double>(duration.count()) / k_ns_per_s; }

double share_of(nanoseconds part, nanoseconds whole) noexcept {
  if (part <= nanoseconds::zero() || whole <= nanoseconds::zero()) return 0;
  return static_cast<double>(part.count()) / static_cast<double>(whole.count());
}

nanoseconds sum_of(std::span<const nanoseconds> durations) noexcept {
  nanoseconds sum{};
  for (const nanoseconds duration : durations) sum = plus(sum, fitted(duration));
  return sum;
}

nanoseconds nearest_rank(std::span<const nanoseconds> sorted, unsigned per_mille) noexcept {
  if (sorted.empty()) return nanoseconds::zero();
  // Whole numbers: 0.07 * 100 is above 7 in doubles, and its ceiling 8. By parts, so that no count of values overflows.
  const std::size_t mille = std::min(per_mille, 1000u);
  const std::size_t rank = sorted.size() / 1000 * mille + (sorted.size() % 1000 * mille + 999) / 1000;
  return fitted(sorted[std::max<std::size_t>(rank, 1) - 1]);
}

Percentiles percentiles_of(std::vector<nanoseconds> durations) {
  std::sort(durations.begin(), durations.end());
  return {
      .p50 = nearest_rank(durations, 500),
      .p90 = nearest_rank(durations, 900),
      .p95 = nearest_rank(durations, 950),
      .p99 = nearest_rank(durations, 990),
      .longest = nearest_rank(durations, 1000),
  };
}

nanoseconds WorkerTimes::idle() const noexcept { return plus(plus(bus_wait, start), tail); }
nanoseconds WorkerTimes::total() const noexcept { return plus(busy, idle()); }

RunTimes account_of(std::vector<WorkerLife> lives, std::size_t workers, nanoseconds wall) {
  std::stable_sort(lives.begin(), lives.end(), [](const WorkerLife& a, const WorkerLife& b) {
    return std::pair(a.begun, a.ended) < std::pair(b.begun, b.ended);
  });
  RunTimes times;
  times.wall = fitted(wall);
  times.workers.resize(workers);
  std::vector<nanoseconds> reached(workers);
  for (const WorkerLife& life : lives) {
    if (life.worker >= workers) {
      times.cut_off = plus(times.cut_off, fitted(life.busy));
      continue;
    }
    nanoseconds& at = reached[life.worker];
    at = live(times.workers[life.worker], life, at, times.wall, times.cut_off);
  }
  for (std::size_t i = 0; i < workers; ++i) {
    WorkerTimes& worker = times.workers[i];
    (worker.lives == 0 ? worker.start : worker.tail) += times.wall - reached[i];
    add(times.sum, worker);
  }
  return times;
}

double parallelism(const RunTimes& times) noexcept { return share_of(times.sum.busy, times.wall); }
double cpu_parallelism(const RunTimes& times) noexcept { return share_of(times.sum.cpu, times.wall); }

nanoseconds WallBound::bound() const noexcept { return std::max(share, longest_group); }

WallBound wall_bound(std::span<const nanoseconds> groups, std::size_t workers) noexcept {
  WallBound bound;
  bound.work = sum_of(groups);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (fitted(groups[i]) <= bound.longest_group) continue;
    bound.longest_group = fitted(groups[i]);
    bound.longest_index = i;
  }
  // More workers than there are nanoseconds of work: the share is one of them.
  const auto many = static_cast<nanoseconds::rep>(std::clamp<std::size_t>(workers, 1, 1u << 30));
  const auto work = bound.work.count();
  bound.share = nanoseconds{work / many + (work % many != 0 ? 1 : 0)};
  return bound;
}

double efficiency(const WallBound& bound, nanoseconds wall) noexcept {
  if (bound.bound() <= nanoseconds::zero() || wall <= nanoseconds::zero()) return 1;
  return std::min(share_of(bound.bound(), wall), 1.0);
}

}  // namespace pf::core
