#include <pfcore/worker_advice.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <queue>

#include <pfcore/metrics_timing.hpp>

#include "metrics_sums.hpp"

namespace pf::core {
namespace {

using std::chrono::nanoseconds;

constexpr std::size_t k_most_processors = 1u << 20;

constexpr std::array<std::string_view, 6> k_reason_names{"nothing-to-run", "few-groups", "longest-group",
                                                         "processors",     "start-cost", "most-workers"};

// What the expected wall times of all counts are made of.
struct Work {
  std::vector<nanoseconds> longest_first;   // groups that take time
  nanoseconds cpu{};
  nanoseconds start{};
  nanoseconds start_cpu{};
  std::size_t processors = 1;

  explicit Work(const AdviceInput& input)
      : start(fitted(input.start)),
        start_cpu(fitted(input.start_cpu)),
        processors(std::clamp<std::size_t>(input.processors, 1, k_most_processors)) {
    for (const GroupTimes& group : input.groups) {
      const nanoseconds own = own_time(group.wall, group.queued);
      if (own > nanoseconds::zero()) longest_first.push_back(own);
      cpu = plus(cpu, fitted(group.cpu));
    }
    std::sort(longest_first.begin(), longest_first.end(), std::greater<>());
  }

  // How many workers get a group.
  [[nodiscard]] std::size_t used(std::size_t workers) const noexcept {
    return std::min(std::clamp<std::size_t>(workers, 1, k_most_workers), longest_first.size());
  }

  [[nodiscard]] nanoseconds planned(std::size_t workers) const {
    std::priority_queue<nanoseconds, std::vector<nanoseconds>, std::greater<>> free_at(
        std::greater<>(), std::vector<nanoseconds>(used(workers), start));
    nanoseconds wall{};
    for (const nanoseconds group : longest_first) {
      const nanoseconds end = plus(free_at.top(), group);
      free_at.pop();
      free_at.push(end);
      wall = std::max(wall, end);
    }
    return wall;
  }

  [[nodiscard]] nanoseconds processors_limit(std::size_t workers) const noexcept {
    nanoseconds all = cpu;
    for (std::size_t i = 0; i < used(workers); ++i) all = plus(all, start_cpu);
    return all / static_cast<nanoseconds::rep>(processors);
  }

  [[nodiscard]] nanoseconds expected(std::size_t workers) const {
    return std::max(planned(workers), processors_limit(workers));
  }
};

std::size_t most_considered(const AdviceInput& input, const Work& work) noexcept {
  const std::size_t processors = std::min(work.processors, k_most_workers);
  const std::size_t most = input.most_workers > 0 ? input.most_workers : processors * k_most_workers_per_processor;
  return std::min(most, k_most_workers);
}

bool within_slack(nanoseconds wall, nanoseconds best) noexcept {
  return to_seconds(wall) <= to_seconds(best) * (1 + k_advice_slack);
}

bool is_about(nanoseconds limit, nanoseconds best) noexcept { return within_slack(limit, best) && within_slack(best, limit); }

// What the best wall time is no shorter for: the limit that it comes close to, and what that is mostly made of.
AdviceReason reason(const WorkerAdvice& advice, const Work& work) {
  if (work.longest_first.empty()) return AdviceReason::nothing_to_run;
  const nanoseconds longest = work.longest_first.front();
  if (is_about(work.processors_limit(advice.workers), advice.best)) {
    const nanoseconds of_tests = work.cpu / static_cast<nanoseconds::rep>(work.processors);
    return of_tests * 2 >= advice.best ? AdviceReason::processors : AdviceReason::start_cost;
  }
  if (is_about(plus(longest, work.start), advice.best)) {
    if (work.start > longest) return AdviceReason::start_cost;
    return advice.workers >= work.longest_first.size() ? AdviceReason::few_groups : AdviceReason::longest_group;
  }
  return advice.workers >= advice.walls.size() ? AdviceReason::most_workers : AdviceReason::start_cost;
}

}  // namespace

std::string_view to_string(AdviceReason reason) noexcept {
  const auto index = static_cast<std::size_t>(reason);
  return index < k_reason_names.size() ? k_reason_names[index] : k_reason_names.front();
}

nanoseconds expected_wall(const AdviceInput& input, std::size_t workers) { return Work(input).expected(workers); }

WorkerAdvice advise_workers(const AdviceInput& input) {
  const Work work(input);
  WorkerAdvice advice;
  for (std::size_t count = 1; count <= most_considered(input, work); ++count) advice.walls.push_back(work.expected(count));
  const auto best = std::min_element(advice.walls.begin(), advice.walls.end());
  const auto least = std::find_if(advice.walls.begin(), best, [&](nanoseconds wall) { return within_slack(wall, *best); });
  advice.best = *best;
  advice.best_workers = static_cast<std::size_t>(best - advice.walls.begin()) + 1;
  advice.wall = *least;
  advice.workers = static_cast<std::size_t>(least - advice.walls.begin()) + 1;
  advice.now = work.expected(input.workers);
  nanoseconds time{};
  for (std::size_t i = 0; i < input.groups.size(); ++i) {
    const nanoseconds own = own_time(input.groups[i].wall, input.groups[i].queued);
    time = plus(time, own);
    if (own <= advice.longest_group) continue;
    advice.longest_group = own;
    advice.longest_index = i;
  }
  advice.cpu_share = share_of(work.cpu, time);
  advice.reason = reason(advice, work);
  return advice;
}

}  // namespace pf::core
