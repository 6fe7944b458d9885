#include <doctest/doctest.h>

#include <string>

#include <pfcore/bench_report.hpp>
#include <pfcore/plan.hpp>

#include "measured_runs.hpp"
#include "support.hpp"

using namespace pf::core;
using pf::test::many;
using pf::test::MeasuredRun;
using pf::test::MeasuredTest;

namespace {

void check_golden(const std::string& name, const std::string& text) { CHECK(pf::test::compare_golden("bench_report/" + name, text) == ""); }

// The suite's fixtures are set up by the tests that are named after them.
RunFigures with_fixtures(const MeasuredRun& run, const std::string& scope, double took_s) {
  RunFigures out;
  const RunFigures plain = run.figures();
  for (const TestFigures& test : plain.tests()) {
    ItemResult result;
    result.item = test.item;
    result.nodeid = test.nodeid;
    result.worker = "gw" + std::to_string(test.worker);
    result.outcome = test.outcome;
    result.busy_s = to_seconds(test.busy);
    for (const MeasuredTest& measured : run.tests) {
      if (measured.nodeid != test.nodeid) continue;
      result.phases = {pf::test::measured_phase("setup", measured.setup_s, measured), pf::test::measured_phase("call", measured.call_s, measured)};
      if (measured.setup_s > 0.01) result.fixtures = {{"database", "tests/test_db.py", scope, "", took_s}};
    }
    out.add_result(result);
  }
  out.add_measured(*plain.measured());
  out.add_finished(plain.finished());
  return out;
}

MeasuredRun suite(double factor = 1) {
  MeasuredRun run{.tests = many(6, 2, 0.001, 0.050), .workers = 2};
  run.tests.push_back({.nodeid = "tests/test_io.py::test_waits", .worker = 0, .call_s = 1.1 * factor, .cpu_share = 0.01});
  run.tests.push_back({.nodeid = "tests/test_cpu.py::test_computes", .worker = 1, .call_s = 0.9 * factor});
  run.tests.push_back({.nodeid = "tests/test_mix.py::test_both", .worker = 1, .call_s = 0.7 * factor, .cpu_share = 0.5});
  run.tests.push_back({.nodeid = "tests/test_set.py::test_prepares", .worker = 0, .setup_s = 0.8 * factor, .call_s = 0.1, .cpu_share = 0.1});
  return run;
}

// Half a second less in the fixture than the phase: fixtures are what makes it.
MeasuredRun with_setups(int workers) {
  MeasuredRun run{.tests = many(6, workers, 0.300, 0.010), .workers = static_cast<std::size_t>(workers)};
  for (auto& test : run.tests) test.nodeid = "tests/test_db.py" + test.nodeid.substr(test.nodeid.find("::"));
  return run;
}

}  // namespace

TEST_SUITE("pfcore/bench_report") {
  TEST_CASE("levers, kinds and profiles, as text") {
    BenchFigures figures;
    for (const double factor : {1.0, 1.02, 0.99}) figures.add_run(suite(factor).figures());
    RunFigures profiles;
    ItemResult profiled;
    profiled.nodeid = "tests/test_cpu.py::test_computes";
    profiled.outcome = "passed";
    profiled.profile = {"  0.800 s in 57000 calls of hot (test_cpu.py:3)", "  0.050 s in 1 call of test_computes (test_cpu.py:7)"};
    profiles.add_result(profiled);
    profiled.nodeid = "tests/test_other.py::test_of_no_run";
    profiles.add_result(profiled);
    figures.add_profiles(profiles);
    check_golden("levers", bench_text(figures, true, {}));
    CHECK(figures.slowest(2) == std::vector<std::string>{"tests/test_io.py::test_waits", "tests/test_cpu.py::test_computes"});
    CHECK(figures.tests().size() == 10);
  }

  TEST_CASE("each remedy of a fixture that is set up several times") {
    BenchFigures widen;
    widen.add_run(with_fixtures(with_setups(1), "function", 0.3));
    check_golden("widen_scope", bench_text(widen, false, {}));
    BenchFigures together;
    MeasuredRun run = with_setups(2);
    run.tests.resize(2);
    for (auto& test : run.tests) test.setup_s = 0.8;
    run.groups.assign(2, k_cut_shares_setup);
    together.add_run(with_fixtures(run, "module", 0.8));
    check_golden("keep_together", bench_text(together, false, {}));
    BenchFigures before;
    run.groups = {0, 1};
    before.add_run(with_fixtures(run, "session", 0.8));
    check_golden("before_the_workers", bench_text(before, false, {}));
  }

  TEST_CASE("tests whose times differ by themselves, from three runs on") {
    BenchFigures figures;
    for (const double factor : {0.5, 1.0, 1.5}) {
      MeasuredRun run = suite();
      run.tests[6].call_s *= factor;
      figures.add_run(run.figures());
    }
    check_golden("unstable", bench_text(figures, true, {}));
  }

  TEST_CASE("a lean suite has no levers, and failures are named") {
    BenchFigures figures;
    MeasuredRun run{.tests = many(4, 1, 0, 0.010)};
    run.tests[2].outcome = "failed";
    figures.add_run(run.figures());
    check_golden("lean", bench_text(figures, false, {}));
    CHECK(bench_text(BenchFigures(), false, {}).find("no run was measured") != std::string::npos);
  }

  TEST_CASE("the run in the middle stands for all") {
    BenchFigures figures;
    for (const double factor : {3.0, 1.0, 2.0, 4.0}) figures.add_run(suite(factor).figures());
    CHECK(figures.median_run().times().wall == figures.walls()[2]);
  }

  TEST_CASE("the more there is the less of it is listed") {
    BenchFigures figures;
    MeasuredRun run{.tests = many(40, 4, 0, 0.600), .workers = 4};
    for (auto& test : run.tests) test.outcome = "failed";
    figures.add_run(run.figures());
    const std::string text = bench_text(figures, false, {});
    CHECK(text.find(" 12. 0.60") != std::string::npos);
    CHECK(text.find(" 13. ") == std::string::npos);
    CHECK(text.find("and 28 more\n") != std::string::npos);
    CHECK(text.find("  and 30 more\n") != std::string::npos);
  }
}
