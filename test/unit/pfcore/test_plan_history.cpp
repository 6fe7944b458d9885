// Plans from measured durations: what is split, where, and what may be stolen.
#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include <pfcore/plan.hpp>

using namespace pf::core;

namespace {

using Numbers = std::vector<std::uint32_t>;
using Seconds = std::vector<double>;

constexpr double k_unknown = std::numeric_limits<double>::quiet_NaN();

// Groups of items that take a second each.
struct Suite {
  Numbers words;
  Seconds expected_s;
  Seconds setup_s;
  Numbers serial;
  Numbers seats;
  std::vector<std::uint64_t> needs;

  void add(std::uint32_t group, std::size_t items, double setup, std::uint32_t bits = k_cut_shares_setup) {
    words.insert(words.end(), items, group | bits);
    expected_s.insert(expected_s.end(), items, 1.0);
    setup_s.insert(setup_s.end(), items, setup);
  }
  [[nodiscard]] Plan plan(std::size_t workers, Dist dist = Dist::automatic) const {
    PlanInput input;
    input.items = words.size();
    input.groups = words;
    input.expected_s = expected_s;
    input.setup_s = setup_s;
    input.serial = serial;
    input.seats = seats;
    input.needs = needs;
    input.workers = workers;
    input.dist = dist;
    return make_plan(input);
  }
};

Numbers sizes(const Plan& plan) {
  Numbers out;
  for (const PlanRange& range : plan.ranges) out.push_back(range.end - range.begin);
  return out;
}

}  // namespace

TEST_SUITE("pfcore/plan") {
  TEST_CASE("a group is split when that is worth its set-up, and not when it is not") {
    for (const double setup : {0.0, 5.0}) {
      Suite suite;
      for (std::uint32_t group = 0; group < 6; ++group) suite.add(group, 20, setup);
      CAPTURE(setup);
      const Plan plan = suite.plan(4);
      CHECK(plan.ranges.size() == 8);                     // two of six in halves
      CHECK(std::count(plan.order.begin(), plan.order.end(), 0u) == 1);
    }
    Suite suite;
    for (std::uint32_t group = 0; group < 6; ++group) suite.add(group, 20, 19);
    CHECK(suite.plan(4).ranges.size() == 6);              // 78 seconds as they are, 39 + 29 + … when two are halved
  }

  TEST_CASE("a group whose set-up is not known is split only when it is longer than a worker's fair share") {
    Suite suite;
    for (std::uint32_t group = 0; group < 6; ++group) suite.add(group, 20, k_unknown);
    const Plan whole = suite.plan(4);
    CHECK(whole.ranges.size() == 6);
    CHECK(whole.ranges[0].least_steal == k_never_cut);
    suite.add(7, 60, k_unknown);
    CHECK(sizes(suite.plan(4)) == Numbers{30, 30, 20, 20, 20, 20, 20, 20});
  }

  TEST_CASE("a cut that costs nothing is preferred to one that sets fixtures up again") {
    Suite suite;
    suite.add(0, 48, 0.5);                                // two classes in a file
    suite.add(0, 52, 0.5);
    CHECK(sizes(suite.plan(2)) == Numbers{51, 49});
    suite.words[48] = 0;
    CHECK(sizes(suite.plan(2)) == Numbers{52, 48});
  }

  TEST_CASE("a tail is stolen when that saves 5 % of the run after the set-up is paid again") {
    Suite suite;
    suite.add(0, 100, 0, 0);
    suite.add(1, 100, 3);
    suite.add(2, 100, k_unknown);
    suite.add(3, 100, 0, k_cut_never);
    const Plan plan = suite.plan(4);
    REQUIRE(plan.ranges.size() == 4);
    Numbers least(4);
    for (const PlanRange& range : plan.ranges) least[plan.order[range.begin] / 100] = range.least_steal;
    CHECK(least == Numbers{6, 9, k_never_cut, k_never_cut});   // of about 103 seconds
  }

  TEST_CASE("a gain of less than 50 ms splits nothing") {
    Suite suite;
    suite.add(0, 40, 0, 0);
    for (double& seconds : suite.expected_s) seconds = 0.001;
    CHECK(suite.plan(4).ranges.size() == 1);
    for (double& seconds : suite.expected_s) seconds = 0.01;
    CHECK(suite.plan(4).ranges.size() == 4);
  }

  TEST_CASE("items that run alone are the last range, in pytest's order, whatever their groups") {
    for (const Dist dist : {Dist::automatic, Dist::load, Dist::loadfile, Dist::worksteal}) {
      Suite suite;
      suite.add(5, 3, 0);
      suite.add(2, 3, 0);
      suite.serial = {1, 4};
      const Plan plan = suite.plan(2, dist);
      CHECK(plan.serial == 2);
      CHECK(plan.ranges.back().begin == 4);
      CHECK(plan.ranges.back().least_steal == k_never_cut);
      CHECK(Numbers(plan.order.end() - 2, plan.order.end()) == Numbers{1, 4});
      CHECK(suite.plan(1, dist).serial == 0);
      CHECK(suite.plan(1, dist).order == Numbers{0, 1, 2, 3, 4, 5});
    }
    Suite all;
    all.add(0, 3, 0);
    all.serial = {0, 1, 2};
    CHECK(sizes(all.plan(2)) == Numbers{3});
  }

  TEST_CASE("groups that need a resource become as many ranges as it has seats") {
    Suite suite;
    for (std::uint32_t group = 0; group < 8; ++group) suite.add(group, 2 + group, 0);
    suite.needs.assign(suite.words.size(), 0);
    for (std::size_t item = 0; item < suite.words.size(); ++item) {
      if ((suite.words[item] & k_group_number) < 6) suite.needs[item] = 2;   // groups 0 … 5: 2 … 7 seconds
    }
    suite.needs.back() = 2;                               // one item of group 7: not all of it
    suite.seats = {1, 2};
    const Plan plan = suite.plan(4);
    CHECK(plan.ranges.size() == 4);
    CHECK(plan.seats == Numbers{1, 2});
    for (std::size_t place = 0; place < plan.order.size(); ++place) CHECK(plan.needs[place] == suite.needs[plan.order[place]]);
    std::size_t lanes = 0;
    for (const PlanRange& range : plan.ranges) {
      if (plan.needs[range.begin] == 0) continue;
      ++lanes;
      CHECK(range.least_steal == k_never_cut);
      CHECK(range.end - range.begin >= 13);
    }
    CHECK(lanes == 2);
  }

  TEST_CASE("list scheduling gives each job to the worker that is free first") {
    CHECK(list_schedule(Seconds{}, 3) == 0);
    CHECK(list_schedule(Seconds{5, 4, 3, 3, 3}, 2) == 10);
    CHECK(list_schedule(Seconds{1, 2}, 4) == 2);
  }
}
