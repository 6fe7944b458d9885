#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <pfcore/metrics.hpp>

using namespace pf::core;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

using Durations = std::vector<nanoseconds>;

Durations up_to(int most) {
  Durations all;
  for (int i = 1; i <= most; ++i) all.emplace_back(i);
  return all;
}

void check_adds_up(const RunTimes& times) {
  WorkerTimes sum;
  for (const WorkerTimes& worker : times.workers) {
    CHECK(worker.busy + worker.bus_wait + worker.start + worker.tail == times.wall);
    CHECK(std::min({worker.busy, worker.bus_wait, worker.start, worker.tail}) >= 0ns);
    CHECK(worker.queued <= worker.busy);
    sum.busy += worker.busy;
    sum.bus_wait += worker.bus_wait;
    sum.start += worker.start;
    sum.tail += worker.tail;
  }
  CHECK(sum.busy == times.sum.busy);
  CHECK(sum.bus_wait == times.sum.bus_wait);
  CHECK(sum.start == times.sum.start);
  CHECK(sum.tail == times.sum.tail);
  CHECK(times.sum.total() == times.wall * static_cast<long>(times.workers.size()));
  CHECK(times.sum.idle() == times.sum.total() - times.sum.busy);
}

nanoseconds between(std::mt19937& random, nanoseconds least, nanoseconds most) {
  return nanoseconds{std::uniform_int_distribution<nanoseconds::rep>(least.count(), most.count())(random)};
}

}  // namespace

TEST_SUITE("pfcore/metrics") {
  TEST_CASE("seconds of a report become nanoseconds, and what is no duration becomes zero") {
    CHECK(from_seconds(1.5) == 1500ms);
    CHECK(from_seconds(1e-9) == 1ns);
    CHECK(from_seconds(0) == 0ns);
    CHECK(from_seconds(-1) == 0ns);
    CHECK(from_seconds(std::numeric_limits<double>::quiet_NaN()) == 0ns);
    CHECK(from_seconds(std::numeric_limits<double>::infinity()) == k_longest_duration);
    CHECK(to_seconds(from_seconds(12.345678)) == doctest::Approx(12.345678));
  }

  TEST_CASE("a share of nothing is zero") {
    CHECK(share_of(1s, 4s) == doctest::Approx(0.25));
    CHECK(share_of(1s, 0s) == 0);
    CHECK(share_of(0s, 0s) == 0);
    CHECK(share_of(-1s, 4s) == 0);
  }

  TEST_CASE("a sum that would overflow stays at the largest value") {
    const Durations many(10'000, nanoseconds::max());
    CHECK(sum_of(many) == nanoseconds::max());
    CHECK(sum_of(Durations{-5s, 2s, 3s}) == 5s);
  }

  TEST_CASE("the nearest-rank percentile is one of the values") {
    CHECK(nearest_rank({}, 500) == 0ns);
    CHECK(nearest_rank(Durations{7ns}, 0) == 7ns);
    CHECK(nearest_rank(Durations{7ns}, 1000) == 7ns);
    const Durations hundred = up_to(100);
    CHECK(nearest_rank(hundred, 70) == 7ns);      // 0.07 * 100 is 7.000000000000001 in doubles
    CHECK(nearest_rank(hundred, 500) == 50ns);
    CHECK(nearest_rank(hundred, 501) == 51ns);
    CHECK(nearest_rank(hundred, 990) == 99ns);
    CHECK(nearest_rank(hundred, 5000) == 100ns);
    const Percentiles of_five = percentiles_of({5ns, 1ns, 3ns, 2ns, 4ns});
    CHECK(of_five.p50 == 3ns);
    CHECK(of_five.p90 == 5ns);
    CHECK(of_five.longest == 5ns);
  }

  TEST_CASE("percentiles are within the range, rise, and leave at most their share above") {
    std::mt19937 random(1);
    for (int round = 0; round < 200; ++round) {
      Durations values(1 + random() % 2500);
      for (nanoseconds& value : values) value = between(random, 0ns, round % 2 == 0 ? 20ns : 5s);
      std::sort(values.begin(), values.end());
      nanoseconds last = values.front();
      for (unsigned per_mille = 0; per_mille <= 1000; per_mille += 37) {
        const nanoseconds at = nearest_rank(values, per_mille);
        CHECK(at >= last);
        CHECK(std::binary_search(values.begin(), values.end(), at));
        const auto not_above = static_cast<std::size_t>(std::upper_bound(values.begin(), values.end(), at) - values.begin());
        CHECK(not_above * 1000 >= per_mille * values.size());
        last = at;
      }
    }
  }

  TEST_CASE("a worker's wall time is start, busy, bus wait and tail") {
    const RunTimes times = account_of({{.worker = 0, .begun = 1s, .ended = 8s, .busy = 6s, .cpu = 9s, .queued = 1s, .ran = 4}}, 1, 10s);
    REQUIRE(times.workers.size() == 1);
    const WorkerTimes& worker = times.workers[0];
    CHECK(worker.start == 1s);
    CHECK(worker.busy == 6s);
    CHECK(worker.bus_wait == 1s);
    CHECK(worker.tail == 2s);
    CHECK(worker.cpu == 9s);
    CHECK(worker.queued == 1s);
    CHECK(worker.ran == 4);
    CHECK(worker.idle() == 4s);
    CHECK(times.cut_off == 0ns);
    CHECK(parallelism(times) == doctest::Approx(0.6));
    CHECK(cpu_parallelism(times) == doctest::Approx(0.9));
    check_adds_up(times);
  }

  TEST_CASE("the time until a lost worker's replacement begins is start") {
    const RunTimes times = account_of({{.worker = 0, .begun = 5s, .ended = 9s, .busy = 4s, .ran = 2},
                                       {.worker = 0, .begun = 1s, .ended = 3s, .busy = 1s, .ran = 1}}, 1, 10s);
    CHECK(times.sum.start == 3s);
    CHECK(times.sum.busy == 5s);
    CHECK(times.sum.bus_wait == 1s);
    CHECK(times.sum.tail == 1s);
    CHECK(times.sum.lives == 2);
    CHECK(times.sum.ran == 3);
    check_adds_up(times);
  }

  TEST_CASE("a worker that never began is all start") {
    const RunTimes times = account_of({{.worker = 1, .begun = 0s, .ended = 2s, .busy = 2s, .ran = 1}}, 2, 2s);
    CHECK(times.workers[0].start == 2s);
    CHECK(times.workers[0].lives == 0);
    CHECK(times.workers[1].busy == 2s);
    CHECK(parallelism(times) == doctest::Approx(1));
    check_adds_up(times);
  }

  TEST_CASE("what does not fit into the wall time is cut off and said") {
    const RunTimes times = account_of({{.worker = 0, .begun = -1s, .ended = 12s, .busy = 11s},
                                       {.worker = 1, .begun = 4s, .ended = 3s, .busy = 2s},
                                       {.worker = 9, .begun = 0s, .ended = 3s, .busy = 3s}}, 2, 10s);
    CHECK(times.workers[0].busy == 10s);
    CHECK(times.workers[1].start == 4s);
    CHECK(times.workers[1].tail == 6s);
    CHECK(times.cut_off == 1s + 2s + 3s);
    check_adds_up(times);
  }

  TEST_CASE("an empty run has zeros and no more") {
    const RunTimes nobody = account_of({}, 0, 0s);
    CHECK(nobody.workers.empty());
    CHECK(parallelism(nobody) == 0);
    check_adds_up(nobody);
    const RunTimes at_once = account_of({{.worker = 0}}, 3, 0s);
    CHECK(parallelism(at_once) == 0);
    CHECK(cpu_parallelism(at_once) == 0);
    check_adds_up(at_once);
  }

  TEST_CASE("workers times wall is busy, bus wait, start and tail for any records") {
    std::mt19937 random(2);
    for (int round = 0; round < 2000; ++round) {
      const std::size_t workers = random() % 9;
      std::vector<WorkerLife> lives(random() % 12);
      for (WorkerLife& life : lives) {
        life.worker = static_cast<std::uint32_t>(random() % 10);
        life.begun = between(random, -1s, 12s);
        life.ended = between(random, -1s, 12s);
        life.busy = between(random, -1s, 12s);
        life.cpu = between(random, -1s, 12s);
        life.queued = between(random, -1s, 12s);
      }
      const RunTimes times = account_of(lives, workers, between(random, -1s, 12s));
      check_adds_up(times);
      CHECK(parallelism(times) <= static_cast<double>(workers));
      CHECK(std::isfinite(cpu_parallelism(times)));
      std::shuffle(lives.begin(), lives.end(), random);
      const RunTimes again = account_of(lives, workers, times.wall);
      CHECK(again.sum.total() == times.sum.total());
    }
  }

  TEST_CASE("the bound is the longest group or a fair share of the work") {
    CHECK(wall_bound({}, 4).bound() == 0ns);
    CHECK(wall_bound(Durations{3s}, 0).bound() == 3s);
    const WallBound fair = wall_bound(Durations{2s, 3s, 3s, 2s}, 2);
    CHECK(fair.work == 10s);
    CHECK(fair.share == 5s);
    CHECK(fair.bound() == 5s);
    CHECK_FALSE(fair.by_longest_group());
    const WallBound uneven = wall_bound(Durations{1s, 8s, 1s}, 2);
    CHECK(uneven.bound() == 8s);
    CHECK(uneven.longest_index == 1);
    CHECK(uneven.by_longest_group());
    CHECK(wall_bound(Durations{10ns}, 3).share == 4ns);
    CHECK(wall_bound(Durations{10ns}, std::numeric_limits<std::size_t>::max()).share == 1ns);
  }

  TEST_CASE("efficiency is the bound over the wall time, one at most") {
    CHECK(efficiency(wall_bound(Durations{4s, 4s}, 2), 5s) == doctest::Approx(0.8));
    CHECK(efficiency(wall_bound(Durations{4s, 4s}, 2), 1s) == 1);
    CHECK(efficiency(wall_bound({}, 2), 5s) == 1);
    CHECK(efficiency(wall_bound(Durations{4s}, 2), 0s) == 1);
  }

  TEST_CASE("no run of groups takes less than the bound") {
    std::mt19937 random(3);
    for (int round = 0; round < 1000; ++round) {
      const std::size_t workers = 1 + random() % 8;
      Durations groups(random() % 30);
      for (nanoseconds& group : groups) group = between(random, 0ns, round % 3 == 0 ? 10ns : 10s);
      // Anyhow, with pauses: what a worker has to do follows on what it did.
      std::vector<WorkerLife> lives(workers);
      for (std::size_t i = 0; i < workers; ++i) lives[i].worker = static_cast<std::uint32_t>(i);
      for (const nanoseconds group : groups) {
        WorkerLife& life = lives[random() % workers];
        life.ended += between(random, 0ns, 1s) + group;
        life.busy += group;
      }
      nanoseconds wall{};
      for (const WorkerLife& life : lives) wall = std::max(wall, life.ended);
      const WallBound bound = wall_bound(groups, workers);
      const RunTimes times = account_of(lives, workers, wall);
      CHECK(bound.bound() <= wall);
      CHECK(times.sum.busy == bound.work);
      CHECK(times.cut_off == 0ns);
      CHECK(efficiency(bound, wall) <= 1);
      CHECK(parallelism(times) <= static_cast<double>(workers));
      check_adds_up(times);
    }
  }
}
