#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <pfcore/plan.hpp>

using namespace pf::core;

namespace {

using Numbers = std::vector<std::uint32_t>;

// The items of each range.
std::vector<Numbers> contents(const Plan& plan) {
  std::vector<Numbers> out;
  for (const PlanRange& range : plan.ranges) out.emplace_back(plan.order.begin() + range.begin, plan.order.begin() + range.end);
  return out;
}

Plan planned(const Numbers& groups, std::size_t workers, Dist dist = Dist::automatic, const std::vector<double>& expected_s = {}) {
  PlanInput input;
  input.items = groups.size();
  input.groups = groups;
  input.expected_s = expected_s;
  input.workers = workers;
  input.dist = dist;
  return make_plan(input);
}

bool is_complete(const Plan& plan, std::size_t items) {
  Numbers sorted = plan.order;
  std::sort(sorted.begin(), sorted.end());
  Numbers all(items);
  std::iota(all.begin(), all.end(), 0u);
  if (sorted != all) return false;
  std::uint32_t at = 0;
  for (const PlanRange& range : plan.ranges) {
    if (range.begin != at || range.end <= range.begin) return false;
    at = range.end;
  }
  return at == items;
}

struct RandomSuite {
  Numbers groups;
  std::vector<double> expected_s;
  std::size_t workers;
};

RandomSuite random_suite(std::mt19937& random) {
  RandomSuite suite;
  suite.workers = 2 + random() % 7;
  const std::size_t items = random() % 300;
  std::uint32_t group = 0;
  for (std::size_t i = 0; i < items; ++i) {
    if (random() % 9 == 0) group = static_cast<std::uint32_t>(random() % 5);
    suite.groups.push_back(group);
    suite.expected_s.push_back(random() % 10 == 0 ? 0.0 : static_cast<double>(random() % 1000) / 100);
  }
  return suite;
}

}  // namespace

TEST_SUITE("pfcore/plan") {
  TEST_CASE("every way of distribution has a name") {
    CHECK(parse_dist("auto") == Dist::automatic);
    CHECK(parse_dist("load") == Dist::load);
    CHECK(parse_dist("loadfile") == Dist::loadfile);
    CHECK(parse_dist("loadscope") == Dist::loadscope);
    CHECK(parse_dist("loadgroup") == Dist::loadgroup);
    CHECK(parse_dist("worksteal") == Dist::worksteal);
    CHECK_FALSE(parse_dist("each").has_value());
    CHECK_FALSE(parse_dist("").has_value());
  }

  TEST_CASE("no items make an empty plan") {
    const Plan plan = planned({}, 4);
    CHECK(plan.order.empty());
    CHECK(plan.ranges.empty());
  }

  TEST_CASE("one worker keeps pytest's order") {
    CHECK(contents(planned({3, 3, 1, 2, 2}, 1, Dist::automatic, {1, 1, 9, 1, 1})) == std::vector<Numbers>{{0, 1, 2, 3, 4}});
  }

  TEST_CASE("groups stay together, the longest is claimed first") {
    const Numbers groups{0, 1, 1, 1, 2, 2};
    SUBCASE("by size when nothing is known") {
      CHECK(contents(planned(groups, 2)) == std::vector<Numbers>{{1, 2, 3}, {4, 5}, {0}});
    }
    SUBCASE("by duration when it is known") {
      CHECK(contents(planned(groups, 2, Dist::automatic, {10, 2, 2, 2, 3, 3})) == std::vector<Numbers>{{0}, {1, 2, 3}, {4, 5}});
    }
  }

  TEST_CASE("equal groups keep their order") {
    CHECK(contents(planned({5, 5, 7, 7, 6, 6}, 3)) == std::vector<Numbers>{{0, 1}, {2, 3}, {4, 5}});
  }

  TEST_CASE("items of one group are brought together in their order, wherever they are") {
    CHECK(contents(planned({0, 0, 1, 1, 2, 0}, 2)) == std::vector<Numbers>{{0, 1, 5}, {2, 3}, {4}});
    CHECK(contents(planned({4, 1, 4, 1, 4, 1}, 2, Dist::loadfile)) == std::vector<Numbers>{{0, 2, 4}, {1, 3, 5}});
  }

  TEST_CASE("a group longer than the fair share is halved") {
    CHECK(contents(planned({0, 0, 0, 0}, 2)) == std::vector<Numbers>{{0, 1}, {2, 3}});
    CHECK(contents(planned(Numbers(8, 0), 4)) == std::vector<Numbers>{{0, 1}, {2, 3}, {4, 5}, {6, 7}});
  }

  TEST_CASE("halves weigh the same as far as items allow") {
    CHECK(contents(planned(Numbers(5, 0), 2, Dist::automatic, {8, 2, 2, 2, 2})) == std::vector<Numbers>{{0}, {1, 2, 3, 4}});
  }

  TEST_CASE("a group is split when that makes the run shorter by more than 5 %") {
    Numbers groups(100, 0);
    groups.insert(groups.end(), 92, 1);
    CHECK(planned(groups, 2).ranges.size() == 2);      // 100, or 96 at best
    groups.insert(groups.begin(), 20, 0);
    CHECK(planned(groups, 2).ranges.size() == 3);      // 120, or 106
  }

  TEST_CASE("an item of unknown duration counts as the average") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK(contents(planned({0, 1, 2}, 2, Dist::automatic, {1, nan, 5})) == std::vector<Numbers>{{2}, {1}, {0}});
    CHECK(contents(planned({0, 1, 2}, 2, Dist::automatic, {1, -4, 5})) == std::vector<Numbers>{{2}, {1}, {0}});
    CHECK(contents(planned({0, 1, 2}, 2, Dist::automatic, {1})) == std::vector<Numbers>{{0}, {1}, {2}});
  }

  TEST_CASE("ranges of a group that shares set-up stay whole, also when it had to be split") {
    constexpr std::uint32_t shares = 7 | k_cut_shares_setup;
    const Plan plan = planned({0, 0, shares, shares, shares, shares, shares, shares}, 2);
    CHECK(contents(plan) == std::vector<Numbers>{{2, 3, 4}, {5, 6, 7}, {0}, {1}});
    CHECK(plan.ranges[0].least_steal == k_never_cut);
    CHECK(plan.ranges[1].least_steal == k_never_cut);
    CHECK(plan.ranges[2].least_steal == 1);
  }

  TEST_CASE("a range without fixtures on both sides of any of its cuts does not stay whole") {
    const Plan plan = planned({0 | k_cut_shares_setup, 0, 0, 1, 1 | k_cut_shares_setup, 1}, 2);
    CHECK(plan.ranges[0].least_steal == 1);
    CHECK(plan.ranges[1].least_steal == k_never_cut);
  }

  TEST_CASE("items that stay together are not split, however long they take") {
    constexpr std::uint32_t never = 3 | k_cut_never;
    const Plan plan = planned({never, 0, never, 0, never, never, never, never}, 4);
    CHECK(contents(plan) == std::vector<Numbers>{{0, 2, 4, 5, 6, 7}, {1, 3}});
    CHECK(plan.ranges[0].least_steal == k_never_cut);
  }

  TEST_CASE("loadfile and its relatives never split a group") {
    for (const Dist dist : {Dist::loadfile, Dist::loadscope, Dist::loadgroup}) {
      const Plan plan = planned({0, 0, 0, 0, 1}, 4, dist);
      CHECK(contents(plan) == std::vector<Numbers>{{0, 1, 2, 3}, {4}});
      CHECK(plan.ranges[0].least_steal == k_never_cut);
      CHECK(plan.ranges[1].least_steal == k_never_cut);
    }
  }

  TEST_CASE("load and worksteal deal out pytest's order in chunks") {
    CHECK(planned(Numbers(64, 0), 2, Dist::load).ranges.size() == 16);
    CHECK(contents(planned(Numbers(5, 0), 2, Dist::worksteal)) == std::vector<Numbers>{{0, 1}, {2, 3, 4}});
    CHECK(planned(Numbers(2, 0), 8, Dist::load).ranges.size() == 2);
  }

  TEST_CASE("items without groups are one group") {
    PlanInput input;
    input.items = 4;
    input.workers = 2;
    CHECK(contents(make_plan(input)) == std::vector<Numbers>{{0, 1}, {2, 3}});
  }

  TEST_CASE("any suite is planned completely, by parts of one group in their order, and always the same way") {
    std::mt19937 random(2);
    for (int round = 0; round < 500; ++round) {
      const RandomSuite suite = random_suite(random);
      for (const Dist dist : {Dist::automatic, Dist::load, Dist::loadfile, Dist::worksteal}) {
        const Plan plan = planned(suite.groups, suite.workers, dist, suite.expected_s);
        REQUIRE(is_complete(plan, suite.groups.size()));
        const Plan again = planned(suite.groups, suite.workers, dist, suite.expected_s);
        REQUIRE(plan.order == again.order);
        for (const Numbers& items : contents(plan)) {
          REQUIRE(std::is_sorted(items.begin(), items.end()));
          if (dist == Dist::load || dist == Dist::worksteal) {
            REQUIRE(items.back() - items.front() == items.size() - 1);
            continue;
          }
          for (const std::uint32_t item : items) REQUIRE(suite.groups[item] == suite.groups[items[0]]);
        }
      }
    }
  }
}
