#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <vector>

#include <pfcore/worker_advice.hpp>

using namespace pf::core;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

using Groups = std::vector<GroupTimes>;

Groups busy(std::initializer_list<nanoseconds> walls) {
  Groups groups;
  for (const nanoseconds wall : walls) groups.push_back({.wall = wall, .cpu = wall});
  return groups;
}

AdviceInput input(const Groups& groups, std::size_t workers, std::size_t processors) {
  AdviceInput in;
  in.groups = groups;
  in.workers = workers;
  in.processors = processors;
  return in;
}

}  // namespace

TEST_SUITE("pfcore/metrics") {
  TEST_CASE("nothing to run is worth one worker") {
    for (const Groups& groups : {Groups{}, Groups(3)}) {
      const WorkerAdvice advice = advise_workers(input(groups, 4, 4));
      CHECK(advice.workers == 1);
      CHECK(advice.reason == AdviceReason::nothing_to_run);
      CHECK(advice.best == 0ns);
      CHECK(advice.cpu_share == 0);
    }
  }

  TEST_CASE("processor-bound groups are worth as many workers as there are processors") {
    const Groups groups(100, {.wall = 100ms, .cpu = 100ms});
    const WorkerAdvice advice = advise_workers(input(groups, 2, 4));
    CHECK(advice.workers == 4);
    CHECK(advice.reason == AdviceReason::processors);
    CHECK(advice.wall == 2500ms);
    CHECK(advice.now == 5s);
    CHECK(advice.cpu_share == doctest::Approx(1));
    CHECK(advice.more(input(groups, 2, 4)));
    CHECK(advice.fewer(input(groups, 8, 4)));
  }

  TEST_CASE("more workers than the longest group leaves room for do not help") {
    const Groups groups = busy({1s, 10s, 2s, 1s, 3s, 1s, 1s});
    const WorkerAdvice advice = advise_workers(input(groups, 8, 8));
    CHECK(advice.workers == 2);
    CHECK(advice.reason == AdviceReason::longest_group);
    CHECK(advice.longest_group == 10s);
    CHECK(advice.longest_index == 1);
    CHECK(advice.wall == 10s);
  }

  TEST_CASE("no more workers than groups are advised") {
    const Groups groups = busy({2s, 2s, 2s});
    const WorkerAdvice advice = advise_workers(input(groups, 8, 8));
    CHECK(advice.workers == 3);
    CHECK(advice.reason == AdviceReason::few_groups);
  }

  TEST_CASE("tests that wait are worth more workers than processors") {
    const Groups groups(100, {.wall = 100ms, .cpu = 5ms});
    const WorkerAdvice advice = advise_workers(input(groups, 2, 2));
    CHECK(advice.workers == 8);
    CHECK(advice.reason == AdviceReason::most_workers);
    AdviceInput more = input(groups, 2, 2);
    more.most_workers = 100;
    const WorkerAdvice wide = advise_workers(more);
    CHECK(wide.workers == 50);   // two rounds of 100 ms; the processors need 250 ms for all of them
    CHECK(wide.reason == AdviceReason::processors);
    CHECK(wide.walls.size() == 100);
  }

  TEST_CASE("time without a free processor is no work") {
    const Groups groups(10, {.wall = 400ms, .cpu = 100ms, .queued = 300ms});
    const WorkerAdvice advice = advise_workers(input(groups, 8, 2));
    CHECK(advice.workers == 2);
    CHECK(advice.reason == AdviceReason::processors);
    CHECK(advice.wall == 500ms);
    CHECK(advice.cpu_share == doctest::Approx(1));
  }

  TEST_CASE("a worker that costs more to start than it takes over is not advised") {
    const Groups groups(20, {.wall = 1ms, .cpu = 100us});
    AdviceInput in = input(groups, 4, 8);
    in.start = 1s;
    CHECK(advise_workers(in).workers == 1);
    CHECK(advise_workers(in).reason == AdviceReason::start_cost);
    in.start = 10ms;
    in.start_cpu = 10ms;
    in.processors = 1;
    const WorkerAdvice one_processor = advise_workers(in);
    CHECK(one_processor.workers == 2);   // their waiting overlaps
    CHECK(one_processor.reason == AdviceReason::start_cost);
    CHECK(one_processor.walls[3] > one_processor.walls[1]);
  }

  TEST_CASE("no processors, no workers and thousands of both are counts as well") {
    const Groups groups = busy({1s, 1s});
    CHECK(advise_workers(input(groups, 0, 0)).workers == 1);
    const std::size_t huge = static_cast<std::size_t>(-1);
    CHECK(advise_workers(input(groups, huge, huge)).walls.size() == k_most_workers);
    CHECK(expected_wall(input(groups, 1, 1), 0) == 2s);
  }

  TEST_CASE("reasons have names") {
    CHECK(to_string(AdviceReason::nothing_to_run) == "nothing-to-run");
    CHECK(to_string(AdviceReason::longest_group) == "longest-group");
    CHECK(to_string(AdviceReason::most_workers) == "most-workers");
  }

  TEST_CASE("an expected wall time is not below the bound nor above one worker's") {
    std::mt19937 random(1);
    for (int round = 0; round < 300; ++round) {
      Groups groups(random() % 40);
      std::vector<nanoseconds> walls;
      for (GroupTimes& group : groups) {
        group.wall = nanoseconds{random() % 3'000'000'000};
        group.cpu = group.wall * (random() % 101) / 100;
        walls.push_back(group.wall);
      }
      AdviceInput in = input(groups, 1 + random() % 8, 1 + random() % 8);
      for (std::size_t workers = 1; workers <= 12; ++workers) {
        const nanoseconds wall = expected_wall(in, workers);
        CHECK(wall >= wall_bound(walls, workers).bound());
        CHECK(wall <= wall_bound(walls, 1).bound());
      }
    }
  }

  TEST_CASE("the advised count is the least within the slack of the best") {
    std::mt19937 random(2);
    for (int round = 0; round < 300; ++round) {
      Groups groups(random() % 40);
      for (GroupTimes& group : groups) {
        group.wall = nanoseconds{random() % 3'000'000'000};
        group.cpu = nanoseconds{random() % 3'000'000'000};
        group.queued = nanoseconds{random() % 1'000'000'000};
      }
      AdviceInput in = input(groups, 1 + random() % 8, 1 + random() % 8);
      in.start = nanoseconds{random() % 1'000'000'000};
      in.start_cpu = nanoseconds{random() % 1'000'000'000};
      const WorkerAdvice advice = advise_workers(in);
      REQUIRE(advice.workers >= 1);
      REQUIRE(advice.workers <= advice.best_workers);
      REQUIRE(advice.best_workers <= advice.walls.size());
      CHECK(advice.best == *std::min_element(advice.walls.begin(), advice.walls.end()));
      CHECK(advice.wall == advice.walls[advice.workers - 1]);
      CHECK(to_seconds(advice.wall) <= to_seconds(advice.best) * (1 + k_advice_slack));
      for (std::size_t fewer = 1; fewer < advice.workers; ++fewer) {
        CHECK(to_seconds(advice.walls[fewer - 1]) > to_seconds(advice.best) * (1 + k_advice_slack));
      }
      CHECK(std::isfinite(advice.cpu_share));
    }
  }
}
