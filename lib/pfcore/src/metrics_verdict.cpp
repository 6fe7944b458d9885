#include <pfcore/metrics_verdict.hpp>

#include <algorithm>
#include <array>

#include "metrics_sums.hpp"

namespace pf::core {
namespace {

using std::chrono::nanoseconds;

constexpr std::array<std::string_view, 7> k_verdict_names{
    "nothing ran", "balanced", "too few tests", "long tail", "set-up bound", "waiting on input/output", "oversubscribed"};

bool more_workers_than_processors(const VerdictInput& input) noexcept { return input.times.workers.size() > input.processors; }

bool saturated(const VerdictInput& input) noexcept {
  return more_workers_than_processors(input) &&
         cpu_parallelism(input.times) >= k_saturated_share * static_cast<double>(input.processors);
}

Assessment figures(const VerdictInput& input) noexcept {
  const WorkerTimes& sum = input.times.sum;
  const nanoseconds on_cpu = std::min(sum.cpu, sum.busy);
  const nanoseconds off_cpu = sum.busy - on_cpu;
  Assessment found;
  found.feeding = plus(sum.start, sum.bus_wait);
  found.tail = sum.tail;
  found.setup = std::min(std::max(input.setup, nanoseconds::zero()), sum.busy);
  const bool unknown = sum.queued == nanoseconds::zero();
  found.queued = unknown && saturated(input) ? off_cpu : sum.queued;
  found.waiting = off_cpu - std::min(found.queued, off_cpu);
  found.feeding_share = share_of(found.feeding, sum.total());
  found.tail_share = share_of(found.tail, sum.total());
  found.setup_share = share_of(found.setup, sum.busy);
  found.queued_share = share_of(found.queued, sum.busy);
  found.waiting_share = share_of(found.waiting, sum.busy);
  return found;
}

struct Cause {
  RunVerdict verdict;
  nanoseconds took;
  bool applies;
};

RunVerdict loudest(const VerdictInput& input, const Assessment& found, bool has_tail) noexcept {
  const bool by_setup = found.setup_share >= k_setup_share;
  const std::array<Cause, 4> causes{{
      {RunVerdict::oversubscribed, found.queued, more_workers_than_processors(input) && found.queued_share >= k_queued_share},
      {RunVerdict::long_tail, found.tail, has_tail},
      {RunVerdict::setup_bound, found.setup, by_setup},
      {RunVerdict::waiting, found.waiting, !by_setup && found.waiting_share >= k_waiting_share},
  }};
  Cause most{RunVerdict::balanced, nanoseconds::zero(), true};
  for (const Cause& cause : causes) {
    if (cause.applies && cause.took > most.took) most = cause;
  }
  return most.verdict;
}

RunVerdict verdict_of(const VerdictInput& input, const Assessment& found) noexcept {
  const std::size_t workers = input.times.workers.size();
  if (input.times.sum.busy == nanoseconds::zero()) return RunVerdict::nothing_ran;
  if (input.items < workers || found.feeding_share >= k_too_few_share) return RunVerdict::too_few_tests;
  const bool noticed = found.tail >= k_least_tail * static_cast<nanoseconds::rep>(std::min<std::size_t>(workers, 1u << 20));
  const bool has_tail = noticed && found.tail_share >= k_tail_share;
  if (has_tail && input.bound.by_longest_group() && found.tail_share >= k_structural_tail_share) return RunVerdict::long_tail;
  return loudest(input, found, has_tail);
}

}  // namespace

std::string_view to_string(RunVerdict verdict) noexcept {
  const auto index = static_cast<std::size_t>(verdict);
  return index < k_verdict_names.size() ? k_verdict_names[index] : k_verdict_names.front();
}

Assessment assess(const VerdictInput& input) noexcept {
  Assessment found = figures(input);
  found.verdict = verdict_of(input, found);
  return found;
}

}  // namespace pf::core
