#include <pfcore/metrics_timing.hpp>

#include <algorithm>
#include <array>

#include "metrics_sums.hpp"

namespace pf::core {
namespace {

using std::chrono::nanoseconds;

constexpr nanoseconds::rep k_ten_thousand = 10000;
constexpr nanoseconds::rep k_deviation_of_ten_thousand = 14826;

constexpr std::array<std::string_view, 5> k_kind_names{"brief", "setup-heavy", "I/O-bound", "CPU-bound", "mixed"};

}  // namespace

nanoseconds own_time(nanoseconds wall, nanoseconds queued) noexcept {
  return fitted(wall) - std::min(fitted(queued), fitted(wall));
}

nanoseconds median_of(std::vector<nanoseconds> samples) {
  if (samples.empty()) return nanoseconds::zero();
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end());
  const nanoseconds upper = fitted(*middle);
  if (samples.size() % 2 != 0) return upper;
  return (fitted(*std::max_element(samples.begin(), middle)) + upper) / 2;
}

// By parts: the longest duration times 14826 is no 64-bit number.
nanoseconds Spread::deviation() const noexcept {
  const nanoseconds::rep all = fitted(mad).count();
  const nanoseconds::rep rest = all % k_ten_thousand * k_deviation_of_ten_thousand / k_ten_thousand;
  return nanoseconds{all / k_ten_thousand * k_deviation_of_ten_thousand + rest};
}

Spread spread_of(std::span<const nanoseconds> samples) {
  Spread spread;
  spread.samples = samples.size();
  if (samples.empty()) return spread;
  std::vector<nanoseconds> values(samples.begin(), samples.end());
  for (nanoseconds& value : values) value = fitted(value);
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  spread.least = *least;
  spread.most = *most;
  spread.median = median_of(values);
  for (nanoseconds& value : values) value = std::chrono::abs(value - spread.median);
  spread.mad = median_of(std::move(values));
  return spread;
}

bool is_unstable(const Spread& spread) noexcept {
  return spread.samples >= k_unstable_samples && spread.deviation() >= k_unstable_least && spread.relative() >= k_unstable_share;
}

std::vector<UnstableTest> unstable_tests(std::span<const std::vector<nanoseconds>> samples) {
  std::vector<UnstableTest> unstable;
  for (std::size_t test = 0; test < samples.size(); ++test) {
    const Spread spread = spread_of(samples[test]);
    if (is_unstable(spread)) unstable.push_back({test, spread});
  }
  std::stable_sort(unstable.begin(), unstable.end(),
                   [](const UnstableTest& a, const UnstableTest& b) { return a.spread.mad > b.spread.mad; });
  return unstable;
}

std::string_view to_string(CallKind kind) noexcept {
  const auto index = static_cast<std::size_t>(kind);
  return index < k_kind_names.size() ? k_kind_names[index] : std::string_view("mixed");
}

double cpu_share(const CallTimes& times) noexcept {
  const nanoseconds call = fitted(times.call);
  const nanoseconds could_run = own_time(call, times.call_queued);
  // All of the call in the queue: whatever it did get was all that it asked for.
  if (could_run == nanoseconds::zero()) return times.call_cpu > nanoseconds::zero() && call > nanoseconds::zero() ? 1 : 0;
  return std::min(share_of(fitted(times.call_cpu), could_run), 1.0);
}

CallKind kind_of(const CallTimes& times) noexcept {
  const nanoseconds around = fitted(times.setup) + fitted(times.teardown);
  const nanoseconds call = fitted(times.call);
  if (around + call < k_brief) return CallKind::brief;
  if (around > call && around >= k_heavy_setup) return CallKind::setup_heavy;
  const double share = cpu_share(times);
  if (share < k_io_share) return CallKind::io_bound;
  return share > k_cpu_share ? CallKind::cpu_bound : CallKind::mixed;
}

}  // namespace pf::core
