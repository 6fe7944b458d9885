#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <pfcore/plan.hpp>
#include <pfctl/run_measurements.hpp>

using namespace pf;
using namespace pf::ctl;
using core::k_cut_shares_setup;

namespace {

core::ItemResult result_of(std::uint32_t item, double setup_s, double call_s, double teardown_s = 0, std::string outcome = "passed") {
  core::ItemResult result;
  result.item = item;
  result.outcome = std::move(outcome);
  const double seconds[] = {setup_s, call_s, teardown_s};
  const char* names[] = {"setup", "call", "teardown"};
  for (int i = 0; i < 3; ++i) {
    core::PhaseReport phase;
    phase.when = names[i];
    phase.outcome = "passed";
    phase.duration_s = seconds[i];
    result.phases.push_back(std::move(phase));
  }
  return result;
}

// A suite of files of three tests; `shared` ones have a fixture of their module.
struct Suite {
  std::vector<std::string> nodeids;
  core::U32List groups;
  History history;

  void file(const std::string& name, bool shared) {
    const auto group = static_cast<std::uint32_t>(nodeids.size());
    for (int i = 0; i < 3; ++i) {
      nodeids.push_back(name + "::test_" + std::to_string(i));
      groups.push_back(group | (shared && i > 0 ? k_cut_shares_setup : 0));
    }
  }
  [[nodiscard]] RunMeasurements begin() const { return RunMeasurements(nodeids.size()); }
  void learn(const RunMeasurements& run, std::uint32_t day = 1) { run.learn(history, nodeids, groups, day); }
  [[nodiscard]] const TestRecord& at(std::uint32_t item) const {
    const TestRecord* record = history.find(nodeids[item]);
    REQUIRE(record != nullptr);
    return *record;
  }
  [[nodiscard]] Expectations expected() const { return expectations(history, nodeids, groups); }
};

auto about(double value) { return doctest::Approx(value).epsilon(1e-5); }

}  // namespace

TEST_SUITE("pfctl/run_measurements") {
  TEST_CASE("set-up and call are apart, and what the first test sets up for its neighbours is neither's own") {
    Suite suite;
    suite.file("a.py", false);
    suite.file("b.py", true);
    RunMeasurements run = suite.begin();
    for (std::uint32_t item : {0u, 1u, 2u}) run.add(0, result_of(item, 0.1, 1, 0.2));
    run.add(0, result_of(3, 5.1, 1));                  // 5 s for the module's fixture
    run.add(0, result_of(4, 0.1, 1, 0.1));
    run.add(0, result_of(5, 0.1, 1, 2.05));            // 2 s for its teardown: 0.05 is what the others take on average
    suite.learn(run);
    CHECK(suite.at(1).call_s == about(1.2));
    CHECK(suite.at(1).setup_s == about(0.1));
    CHECK(std::isnan(suite.at(1).shared_s));
    CHECK(suite.at(3).call_s == about(1));
    CHECK(std::isnan(suite.at(3).setup_s));
    CHECK(suite.at(3).shared_s == about(7));
    CHECK_FALSE(suite.at(3).shared_is_bound);
    CHECK(suite.at(5).call_s == about(1.05));
    const Expectations expected = suite.expected();
    CHECK(expected.expected_s[3] == about(1.1));       // set-up as its neighbours'
    CHECK(expected.setup_s[3] == about(7));
    CHECK(expected.setup_s[5] == about(7));            // of the unit, wherever a range begins
    CHECK(expected.setup_s[0] == 0);
  }

  TEST_CASE("the first test of a worker tells at most what fixtures cost: the session's are in it") {
    Suite suite;
    suite.file("a.py", true);
    suite.file("b.py", false);
    const auto run = [&](std::uint32_t first, double setup_s) {
      RunMeasurements measured = suite.begin();
      measured.add(0, result_of(first, setup_s, 1));
      measured.add(0, result_of(first + 1, 0.1, 1));
      suite.learn(measured);
    };
    run(0, 9.1);
    CHECK(suite.at(0).shared_s == about(9));
    CHECK(suite.at(0).shared_is_bound);
    run(0, 20.1);                                      // tells nothing new
    CHECK(suite.at(0).shared_s == about(9));
    run(0, 4.1);
    CHECK(suite.at(0).shared_s == about(4));
    run(3, 8);
    CHECK(suite.at(3).setup_is_bound);
    CHECK(suite.expected().expected_s[3] == about(1));
    SUBCASE("what was measured in mid-run replaces it") {
      RunMeasurements exact = suite.begin();
      exact.add(0, result_of(5, 0.1, 1));
      exact.add(0, result_of(0, 2.1, 1));
      exact.add(0, result_of(1, 0.1, 1));
      exact.add(0, result_of(3, 0.3, 1));
      suite.learn(exact);
      CHECK(suite.at(0).shared_s == about(2));
      CHECK_FALSE(suite.at(0).shared_is_bound);
      CHECK(suite.at(3).setup_s == about(0.3));
      CHECK_FALSE(suite.at(3).setup_is_bound);
      run(0, 1.1);                                     // and is not replaced by a bound
      CHECK(suite.at(0).shared_s == about(2));
    }
  }

  TEST_CASE("a process that took over sets up anew") {
    Suite suite;
    suite.file("a.py", true);
    RunMeasurements run = suite.begin();
    run.add(0, result_of(0, 1, 1));
    run.end_worker(0);
    run.end_worker(7);
    run.add(0, result_of(1, 3, 1));
    run.add(0, result_of(2, 0, 1));
    suite.learn(run);
    CHECK(suite.at(1).shared_is_bound);
    CHECK(suite.at(1).shared_s == about(3));
  }

  TEST_CASE("a new measurement counts for a third; the first ones for as much as those before them") {
    Suite suite;
    suite.file("a.py", false);
    for (const double call_s : {4.0, 2.0, 3.0, 6.0, 0.0}) {
      RunMeasurements run = suite.begin();
      run.add(0, result_of(0, 0, 1));
      run.add(0, result_of(1, 0, call_s));
      suite.learn(run);
    }
    CHECK(suite.at(1).call_s == about(4 * 2.0 / 3));   // 4, 3, 3, 4, and two thirds of it
    CHECK(suite.at(1).runs == 5);
  }

  TEST_CASE("outcomes are kept, the newest last, and a pass after a failure is flaky") {
    Suite suite;
    suite.file("a.py", false);
    const auto run = [&](std::string outcome, std::uint32_t attempt, std::uint32_t day) {
      RunMeasurements measured = suite.begin();
      core::ItemResult result = result_of(1, 0, 1, 0, std::move(outcome));
      result.attempt = attempt;
      measured.add(0, result);
      suite.learn(measured, day);
    };
    run("failed", 1, 3);
    run("error", 2, 4);
    run("passed", 1, 5);
    run("passed", 2, 6);
    CHECK(suite.at(1).outcomes == 0b1100);
    CHECK(suite.at(1).flaky == 1);
    CHECK(suite.at(1).day == 6);
    run("rerun", 1, 7);
    CHECK(suite.at(1).day == 6);
  }

  TEST_CASE("a lost test and one that was skipped have an outcome and no times") {
    Suite suite;
    suite.file("a.py", false);
    RunMeasurements run = suite.begin();
    core::ItemResult lost = result_of(0, 0, 7, 0, "failed");
    lost.lost = "worker 'gw0' crashed";
    run.add(0, lost);
    core::ItemResult skipped;
    skipped.item = 1;
    skipped.outcome = "skipped";
    skipped.phases.emplace_back().when = "setup";
    run.add(0, skipped);
    run.add(0, result_of(99, 0, 1));                   // no item of the run
    suite.learn(run);
    CHECK(suite.at(0).outcomes == 1);
    CHECK(std::isnan(suite.at(0).call_s));
    CHECK(std::isnan(suite.at(1).call_s));
    CHECK(suite.at(1).runs == 0);
    CHECK(suite.history.size() == 2);
  }

  TEST_CASE("a test that never ran takes what the others of its file take; of a new file nothing is known") {
    Suite suite;
    suite.file("a.py", false);
    suite.file("b.py", false);
    CHECK(std::isnan(suite.expected().expected_s[0]));
    RunMeasurements run = suite.begin();
    run.add(0, result_of(3, 0, 9));
    run.add(0, result_of(0, 0, 2));
    run.add(0, result_of(1, 0, 4));
    suite.learn(run);
    CHECK(suite.expected().expected_s[2] == about(3));
    suite.file("c.py", false);
    CHECK(std::isnan(suite.expected().expected_s[6]));
  }

  TEST_CASE("a unit that only ever had one of its tests measured costs what that test says") {
    Suite suite;
    suite.file("a.py", true);
    suite.file("b.py", false);
    RunMeasurements run = suite.begin();
    run.add(0, result_of(3, 0, 1));
    run.add(0, result_of(0, 2, 1, 0.5));
    run.add(0, result_of(4, 0, 1));
    suite.learn(run);
    CHECK(suite.at(0).shared_s == about(2.5));
    CHECK(suite.at(0).call_s == about(1));
    CHECK(suite.expected().setup_s[1] == about(2.5));
  }
}
