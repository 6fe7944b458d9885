#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <vector>

#include <pfcore/metrics_timing.hpp>

using namespace pf::core;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

using Durations = std::vector<nanoseconds>;

Durations generated(std::mt19937& random, std::size_t count, nanoseconds most) {
  Durations values(count);
  for (nanoseconds& value : values) value = nanoseconds{std::uniform_int_distribution<nanoseconds::rep>(0, most.count())(random)};
  return values;
}

}  // namespace

TEST_SUITE("pfcore/metrics") {
  TEST_CASE("a test's own time leaves out the time without a free processor") {
    CHECK(own_time(5s, 2s) == 3s);
    CHECK(own_time(5s, 0s) == 5s);
    CHECK(own_time(5s, 6s) == 0s);
    CHECK(own_time(-5s, -6s) == 0s);
    CHECK(own_time(nanoseconds::max(), nanoseconds::min()) == k_longest_duration);
  }

  TEST_CASE("the median is the middle value, or midway between the middle two") {
    CHECK(median_of({}) == 0ns);
    CHECK(median_of({5ns}) == 5ns);
    CHECK(median_of({9ns, 1ns, 5ns}) == 5ns);
    CHECK(median_of({9ns, 1ns, 5ns, 6ns}) == 5ns);
    CHECK(median_of({nanoseconds::max(), nanoseconds::max()}) == k_longest_duration);
  }

  TEST_CASE("one bad run moves neither median nor MAD") {
    const Spread spread = spread_of(Durations{100ms, 101ms, 99ms, 100ms, 9s});
    CHECK(spread.median == 100ms);
    CHECK(spread.mad == 1ms);
    CHECK(spread.deviation() == 1482600ns);
    CHECK(spread.most == 9s);
    CHECK(spread.relative() == doctest::Approx(0.014826));
    CHECK_FALSE(is_unstable(spread));
  }

  TEST_CASE("no samples, one sample and zeros have no spread") {
    CHECK(spread_of({}).relative() == 0);
    CHECK(spread_of(Durations{3s}).deviation() == 0ns);
    CHECK(spread_of(Durations{0s, 0s, 0s}).relative() == 0);
    CHECK(spread_of(Durations{0s, 0s, 5s}).relative() == 0);
  }

  TEST_CASE("the deviation of the longest durations does not overflow") {
    const Spread spread = spread_of(Durations{0s, 0s, nanoseconds::max(), nanoseconds::max()});
    CHECK(spread.mad == k_longest_duration / 2);
    CHECK(spread.deviation() == 741300s);
  }

  TEST_CASE("median and MAD are within the range, whatever the samples are") {
    std::mt19937 random(1);
    for (int round = 0; round < 1000; ++round) {
      const Durations values = generated(random, random() % 12, round % 2 == 0 ? 9ns : 10s);
      const Spread spread = spread_of(values);
      CHECK(spread.least <= spread.median);
      CHECK(spread.median <= spread.most);
      CHECK(spread.mad <= spread.most - spread.least);
      CHECK(std::isfinite(spread.relative()));
    }
  }

  TEST_CASE("a test is unstable when its times differ by a fifth and by more than slices of the scheduler") {
    CHECK(is_unstable(spread_of(Durations{100ms, 200ms, 300ms})));
    CHECK_FALSE(is_unstable(spread_of(Durations{100ms, 300ms})));            // two samples
    CHECK_FALSE(is_unstable(spread_of(Durations{1ms, 2ms, 3ms})));           // too short to say
    CHECK_FALSE(is_unstable(spread_of(Durations{1000ms, 1100ms, 1200ms})));  // 15 %
  }

  TEST_CASE("unstable tests are listed by what their instability costs") {
    const std::vector<Durations> samples{
        {1s, 1s, 1s},
        {100ms, 200ms, 300ms},
        {},
        {1s, 2s, 3s},
    };
    const std::vector<UnstableTest> unstable = unstable_tests(samples);
    REQUIRE(unstable.size() == 2);
    CHECK(unstable[0].test == 3);
    CHECK(unstable[1].test == 1);
    CHECK(unstable_tests({}).empty());
  }

  TEST_CASE("a call is of the first kind that fits") {
    CHECK(kind_of({}) == CallKind::brief);
    CHECK(kind_of({.call = 19ms, .call_cpu = 19ms}) == CallKind::brief);
    CHECK(kind_of({.setup = 600ms, .call = 500ms, .call_cpu = 500ms}) == CallKind::setup_heavy);
    CHECK(kind_of({.setup = 300ms, .call = 500ms, .teardown = 300ms}) == CallKind::setup_heavy);
    CHECK(kind_of({.setup = 30ms, .call = 20ms, .call_cpu = 20ms}) == CallKind::cpu_bound);
    CHECK(kind_of({.call = 1s, .call_cpu = 100ms}) == CallKind::io_bound);
    CHECK(kind_of({.call = 1s, .call_cpu = 900ms}) == CallKind::cpu_bound);
    CHECK(kind_of({.call = 1s, .call_cpu = 3s}) == CallKind::cpu_bound);
    CHECK(kind_of({.call = 1s, .call_cpu = 500ms}) == CallKind::mixed);
  }

  TEST_CASE("waiting for a processor is no input or output") {
    CHECK(kind_of({.call = 1s, .call_cpu = 150ms}) == CallKind::io_bound);
    CHECK(kind_of({.call = 1s, .call_cpu = 150ms, .call_queued = 840ms}) == CallKind::cpu_bound);
    CHECK(cpu_share({.call = 1s, .call_cpu = 1s, .call_queued = 2s}) == 1);
    CHECK(cpu_share({.call = 1s, .call_queued = 1s}) == 0);
    CHECK(cpu_share({.call_cpu = 1s}) == 0);
  }

  TEST_CASE("the share of a processor is between zero and one") {
    std::mt19937 random(2);
    for (int round = 0; round < 1000; ++round) {
      const Durations some = generated(random, 5, 3s);
      const double share = cpu_share({some[0], some[1], some[2], some[3], some[4]});
      CHECK(share >= 0);
      CHECK(share <= 1);
    }
  }

  TEST_CASE("kinds of calls have the predecessor's words") {
    CHECK(to_string(CallKind::setup_heavy) == "setup-heavy");
    CHECK(to_string(CallKind::io_bound) == "I/O-bound");
    CHECK(to_string(CallKind::cpu_bound) == "CPU-bound");
    CHECK(to_string(CallKind::mixed) == "mixed");
    CHECK(to_string(CallKind::brief) == "brief");
  }
}
