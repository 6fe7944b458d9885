#include <doctest/doctest.h>

#include <pfctl/v1_bench.hpp>

using namespace pf;
using ctl::V1Bench;

namespace {

core::RunFigures measured(std::initializer_list<const char*> nodeids) {
  core::RunFigures figures;
  core::MeasuredEvent event;
  event.workers = 1;
  event.wall_s = 3;
  event.lives.push_back({0, static_cast<std::uint32_t>(nodeids.size()), 0.5, 3, 2, 1, 0});
  std::uint32_t item = 0;
  for (const char* nodeid : nodeids) {
    core::ItemResult result;
    result.item = item++;
    result.nodeid = nodeid;
    result.worker = "gw0";
    result.outcome = "passed";
    result.busy_s = item;
    event.groups.push_back(0);
    figures.add_result(result);
  }
  figures.add_measured(event);
  return figures;
}

}  // namespace

TEST_SUITE("pfctl/v1_bench") {
  TEST_CASE("the suite is run as often as asked for, then the slowest tests are profiled") {
    V1Bench bench(3);
    for (int run = 1; run <= 2; ++run) {
      const auto turn = bench.next(measured({"a.py::test_a", "a.py::test_b"}), true);
      REQUIRE(turn.has_value());
      CHECK(turn->measure == "fixtures");
      CHECK(turn->nodeids.empty());
      CHECK(bench.timed());
    }
    const auto profile = bench.next(measured({"a.py::test_a", "a.py::test_b"}), true);
    REQUIRE(profile.has_value());
    CHECK(profile->measure == "profile");
    CHECK(profile->nodeids == std::vector<std::string>{"a.py::test_b", "a.py::test_a"});
    CHECK_FALSE(bench.timed());
    CHECK_FALSE(bench.next(measured({"a.py::test_a"}), true).has_value());
    CHECK(bench.text().find("bench") != std::string::npos);
  }

  TEST_CASE("one run has no warm-up") {
    V1Bench bench(1);
    const auto turn = bench.next(measured({"a.py::test_a"}), true);
    REQUIRE(turn.has_value());
    CHECK(turn->measure == "profile");
    CHECK_FALSE(bench.text().empty());
  }

  TEST_CASE("after a run that was cut short nothing follows") {
    V1Bench bench(5);
    CHECK_FALSE(bench.next(measured({"a.py::test_a"}), false).has_value());
    CHECK(bench.text().empty());   // it was the warm-up
  }
}
