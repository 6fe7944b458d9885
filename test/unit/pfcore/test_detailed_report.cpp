#include <doctest/doctest.h>

#include <cmath>
#include <regex>
#include <string>

#include <pfcore/detailed_report.hpp>
#include <pfcore/plan.hpp>

#include "measured_runs.hpp"
#include "support.hpp"

using namespace pf::core;
using pf::test::many;
using pf::test::MeasuredRun;

namespace {

std::string text_of(const MeasuredRun& run, DetailedStyle style = {}) { return detailed_text(run.figures(style.failures), style); }

void check_golden(const std::string& name, const std::string& text) { CHECK(pf::test::compare_golden("detailed_report/" + name, text) == ""); }

// All numbers of a line of the text, in their order.
std::vector<double> numbers(const std::string& text, const std::string& label) {
  const std::size_t at = text.find("\n" + label);
  REQUIRE_MESSAGE(at != std::string::npos, label);
  const std::string line = text.substr(at + 1, text.find('\n', at + 1) - at - 1).substr(label.size());
  const std::regex number("[0-9]+\\.[0-9]+");
  std::vector<double> out;
  for (std::sregex_iterator one(line.begin(), line.end(), number), end; one != end; ++one) out.push_back(std::stod(one->str()));
  return out;
}

void check_sums(const MeasuredRun& run) {
  const std::string text = text_of(run);
  const std::vector<double> account = numbers(text, "account");
  REQUIRE(account.size() == 5);
  const double wall = numbers(text, "run").front();
  CHECK(account[0] == doctest::Approx(wall * static_cast<double>(run.workers)).epsilon(0.001));
  CHECK(std::abs(account[1] + account[2] + account[3] + account[4] - account[0]) < 0.0025);
  const std::vector<double> busy = numbers(text, "busy");
  REQUIRE(busy.size() == 5);
  CHECK(busy[0] == account[1]);
  CHECK(std::abs(busy[1] + busy[2] + busy[3] + busy[4] - busy[0]) < 0.0025);
  const std::vector<double> parallelism = numbers(text, "parallelism");
  CHECK(std::abs(parallelism.back() - 100 * account[1] / account[0]) < 0.2);
}

MeasuredRun balanced() { return {.tests = many(40, 2, 0.002, 0.100), .workers = 2}; }

MeasuredRun unbalanced() {
  MeasuredRun run{.tests = many(9, 2, 0.001, 0.050), .workers = 2};
  run.tests[1].call_s = 2;
  return run;
}

MeasuredRun sleeping() { return {.tests = many(16, 2, 0, 0.500, 0.01), .workers = 2}; }

// A module's fixture of a second, paid by both workers.
MeasuredRun with_setup() {
  MeasuredRun run{.tests = many(20, 2, 0.001, 0.001), .workers = 2};
  for (auto& test : run.tests) test.nodeid = "tests/test_db.py" + test.nodeid.substr(test.nodeid.find("::"));
  run.tests[0].setup_s = run.tests[1].setup_s = 1.001;
  run.groups.assign(20, k_cut_shares_setup);
  return run;
}

MeasuredRun crowded() {
  MeasuredRun run{.tests = many(64, 8, 0, 0.100, 0.25), .workers = 8};
  for (auto& test : run.tests) test.queued_s = 0.074;
  return run;
}

}  // namespace

TEST_SUITE("pfcore/detailed_report") {
  TEST_CASE("each verdict and its advice, as text") {
    check_golden("balanced", text_of(balanced()));
    check_golden("long_tail", text_of(unbalanced()));
    check_golden("waiting", text_of(sleeping()));
    check_golden("setup_bound", text_of(with_setup()));
    check_golden("oversubscribed", text_of(crowded()));
    check_golden("too_few_tests", text_of({.tests = many(2, 2, 0, 0.001), .workers = 2, .start_s = 0.05}));
  }

  TEST_CASE("what was built to be so gets its verdict and its advice") {
    const auto says = [](const MeasuredRun& run, const char* verdict, const char* advice) {
      const std::string text = text_of(run);
      CHECK_MESSAGE(text.find(std::string("\nverdict      ") + verdict) != std::string::npos, text);
      CHECK_MESSAGE(text.find(std::string("\nadvice       ") + advice) != std::string::npos, text);
    };
    says(balanced(), "balanced", "-n 2, as now");
    says(unbalanced(), "long tail", "-n 2, as now");
    says(sleeping(), "waiting on input/output", "-n 8 instead of -n 2");
    says(with_setup(), "set-up bound", "-n 1 instead of -n 2");
    says(crowded(), "oversubscribed", "-n 3 instead of -n 8");
  }

  TEST_CASE("a machine that does other things, too, is named, and is no verdict") {
    MeasuredRun run = balanced();
    CHECK(text_of(run).find("\nmind") == std::string::npos);
    for (auto& test : run.tests) test.queued_s = 0.050;
    const std::string text = text_of(run);
    CHECK(text.find("\nverdict      balanced") != std::string::npos);
    CHECK(text.find("\nmind         the machine did other things, too: tests waited for a processor for 49 % of their time") != std::string::npos);
  }

  TEST_CASE("figures add up to the digit that is printed") {
    for (const MeasuredRun& run : {balanced(), unbalanced(), sleeping(), with_setup(), crowded()}) check_sums(run);
  }

  TEST_CASE("a summary by itself has the failures, stale xfail marks and a boot") {
    MeasuredRun run{.tests = many(3, 1, 0, 1.5), .boot_ms = 2200};
    run.tests[1].outcome = "failed";
    run.tests[2].outcome = "xpassed";
    check_golden("failures", text_of(run, {.failures = true}));
    CHECK(text_of(run).find("FAILED") == std::string::npos);
  }

  TEST_CASE("node ids are the client's folder's, and color marks the verdict") {
    DetailedStyle style;
    style.text.rootdir = "/suite";
    style.text.cwd = "/suite/tests";
    style.text.color = true;
    check_golden("color", text_of(with_setup(), style));
  }

  TEST_CASE("nothing measured is nothing told, and nothing run is told as that") {
    CHECK(detailed_text(RunFigures(), {}).empty());
    check_golden("nothing_ran", text_of({.tests = {}, .workers = 1}));
  }

  TEST_CASE("tries of a test are one test, with all of their time") {
    RunFigures figures;
    ItemResult result;
    result.nodeid = "test_a.py::test_a";
    result.worker = "gw1";
    result.outcome = "rerun";
    result.busy_s = 1;
    result.phases = {pf::test::measured_phase("call", 0.5, {})};
    figures.add_result(result);
    CHECK(figures.tests().empty());
    result.outcome = "passed";
    result.attempt = 2;
    figures.add_result(result);
    REQUIRE(figures.tests().size() == 1);
    CHECK(to_seconds(figures.tests()[0].times.call) == 1.0);
    CHECK(to_seconds(figures.tests()[0].busy) == 2.0);
    CHECK(figures.tests()[0].worker == 1);
  }

  TEST_CASE("what a worker ran after another one was lost in its place is another life's") {
    RunFigures figures;
    ItemResult result;
    result.worker = "gw0";
    result.outcome = "failed";
    result.lost = "worker 'gw0' crashed";
    figures.add_result(result);
    result.item = 1;
    result.lost.clear();
    figures.add_result(result);
    CHECK(figures.tests()[0].life == 0);
    CHECK(figures.tests()[1].life == 1);
  }

  TEST_CASE("numbers that no run has do no harm") {
    RunFigures figures;
    ItemResult result;
    result.nodeid = "x";
    result.outcome = "passed";
    result.worker = "gw99999999999999999999";
    result.busy_s = NAN;
    result.phases = {pf::test::measured_phase("call", -1e300, {}), pf::test::measured_phase("setup", INFINITY, {})};
    figures.add_result(result);
    MeasuredEvent event;
    event.workers = 2;
    event.processors = -4;
    event.wall_s = NAN;
    event.lives = {{4'000'000'000u, 1, -1, 1e300, NAN, INFINITY, -INFINITY}};
    event.bytes = -1;
    figures.add_measured(event);
    const std::string text = detailed_text(figures, {});
    CHECK(text.find("nan") == std::string::npos);
    CHECK(text.find("inf") == std::string::npos);
  }
}
