#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include <pfcore/bench_compare.hpp>

#include "support.hpp"

using namespace pf::core;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

constexpr std::size_t k_runs = 5;

// A suite of tests of 1 ms to 5 s, of which every third computes and the others wait, on a machine that has its moods: `mood` is
// the processor's speed in this bench, `noise` the deviation of a sample, and some samples are hit by something else.
BenchRecord bench(std::mt19937& random, std::size_t tests, double mood, double noise) {
  std::normal_distribution<double> normal(0, noise);
  std::uniform_real_distribution<double> uniform(0, 1);
  BenchRecord record;
  record.pfast = "0.10.0";
  record.python = "3.11";
  record.workers = record.processors = 2;
  for (std::size_t run = 0; run < k_runs; ++run) record.walls.push_back(10s);
  for (std::size_t i = 0; i < tests; ++i) {
    BenchRecord::Test& test = record.tests.emplace_back();
    test.nodeid = "tests/test_a.py::test_" + std::to_string(i);
    const double seconds = std::pow(10.0, -3 + 3.7 * static_cast<double>(i) / static_cast<double>(tests));
    const bool computes = i % 3 == 0;
    for (std::size_t run = 0; run < k_runs; ++run) {
      const double hit = uniform(random) < 0.1 ? 1 + uniform(random) : 1;
      const double sample = seconds * (computes ? mood : 1) * std::max(0.2, 1 + normal(random)) * hit;
      test.own.push_back(from_seconds(sample));
      test.cpu.push_back(from_seconds(computes ? sample : 0.0001));
    }
  }
  return record;
}

BenchRecord::Test& named(BenchRecord& record, const std::string& suffix) {
  for (BenchRecord::Test& test : record.tests) {
    if (test.nodeid.ends_with(suffix)) return test;
  }
  FAIL("no test ", suffix);
  return record.tests.front();
}

void scale(BenchRecord::Test& test, double factor) {
  for (nanoseconds& one : test.own) one = from_seconds(to_seconds(one) * factor);
  for (nanoseconds& one : test.cpu) one = from_seconds(to_seconds(one) * factor);
}

BenchRecord::Test steady(const std::string& nodeid, nanoseconds took, std::size_t runs = k_runs) {
  BenchRecord::Test test{nodeid, {}, {}};
  for (std::size_t run = 0; run < runs; ++run) {
    test.own.push_back(took + took / 200 * static_cast<nanoseconds::rep>(run % 3));
    test.cpu.push_back(1us);
  }
  return test;
}

void check_golden(const std::string& name, const std::string& text) { CHECK(pf::test::compare_golden("bench_compare/" + name, text) == ""); }

}  // namespace

TEST_SUITE("pfcore/bench_compare") {
  TEST_CASE("of unchanged runs no change is claimed, on a calm machine and on a restless one") {
    std::mt19937 random(20);
    std::size_t claims = 0;
    std::size_t compared = 0;
    for (int pair = 0; pair < 60; ++pair) {
      const double noise = pair % 3 == 0 ? 0.01 : pair % 3 == 1 ? 0.05 : 0.25;
      const double mood = 1 + 0.3 * std::sin(pair);
      const BenchComparison found = compare_benches(bench(random, 400, 1, noise), bench(random, 400, mood, noise));
      claims += found.slower.size() + found.faster.size();
      compared += found.compared;
    }
    MESSAGE("compared: ", compared);
    CHECK(compared > 10'000);
    CHECK(claims == 0);
  }

  TEST_CASE("a test that takes a fifth longer is found by name, computing or waiting, whatever the machine's mood") {
    std::mt19937 random(21);
    for (int pair = 0; pair < 20; ++pair) {
      const BenchRecord before = bench(random, 300, 1, 0.01);
      BenchRecord now = bench(random, 300, 1 + 0.3 * std::sin(pair), 0.01);
      for (const char* name : {"::test_270", "::test_271"}) {   // 2.1 s each
        BenchRecord::Test& test = named(now, name);
        // Without what hits samples at random: the machine is calm enough for the question.
        BenchRecord old;
        old.tests = before.tests;
        test.own = named(old, name).own;
        test.cpu = named(old, name).cpu;
        scale(test, name == std::string("::test_270") ? 1.2 * (1 + 0.3 * std::sin(pair)) : 1.2);
      }
      BenchRecord calm = before;
      for (const char* name : {"::test_270", "::test_271"}) {
        for (BenchRecord* record : {&calm, &now}) {
          BenchRecord::Test& test = named(*record, name);
          const nanoseconds median = median_of(test.own);
          for (std::size_t i = 0; i < test.own.size(); ++i) {
            test.own[i] = from_seconds(to_seconds(median) * (1 + 0.005 * static_cast<double>(i)));
            if (test.cpu[i] > 1ms) test.cpu[i] = test.own[i];
          }
        }
      }
      const BenchComparison found = compare_benches(calm, now);
      REQUIRE(found.slower.size() == 2);
      CHECK(found.faster.empty());
      for (const BenchChange& change : found.slower) {
        CHECK((change.nodeid.ends_with("::test_270") || change.nodeid.ends_with("::test_271")));
        CHECK(change.relative() == doctest::Approx(0.2).epsilon(0.15));
      }
    }
  }

  TEST_CASE("what a test deviates by itself hides its change") {
    BenchRecord before;
    before.tests = {{"noisy", {500ms, 1500ms, 700ms, 1200ms, 900ms}, {1ms, 1ms, 1ms, 1ms, 1ms}}, steady("steady", 1s)};
    BenchRecord now = before;
    for (BenchRecord::Test& test : now.tests) scale(test, 1.2);
    const BenchComparison found = compare_benches(before, now);
    REQUIRE(found.slower.size() == 1);
    CHECK(found.slower[0].nodeid == "steady");
    CHECK(found.machine == 1);
  }

  TEST_CASE("one sample among those of the other side is enough for doubt") {
    BenchRecord before;
    before.tests = {{"test", {1000ms, 1001ms, 1002ms, 1003ms, 1300ms}, {}}};
    BenchRecord now;
    now.tests = {{"test", {1400ms, 1401ms, 1402ms, 1403ms, 1299ms}, {}}};
    CHECK(compare_benches(before, now).slower.empty());
    now.tests[0].own.back() = 1400ms;
    before.tests[0].own.back() = 1004ms;
    CHECK(compare_benches(before, now).slower.size() == 1);
  }

  TEST_CASE("small changes, short tests and few samples are no evidence") {
    const auto slower = [](nanoseconds before, nanoseconds now, std::size_t runs) {
      BenchRecord a;
      BenchRecord b;
      a.tests = {steady("test", before, runs)};
      b.tests = {steady("test", now, runs)};
      return compare_benches(a, b).slower.size();
    };
    CHECK(slower(1s, 1200ms, 5) == 1);
    CHECK(slower(1s, 1200ms, 3) == 1);
    CHECK(slower(1s, 1200ms, 2) == 0);
    CHECK(slower(1s, 1090ms, 5) == 0);
    CHECK(slower(40ms, 49ms, 5) == 0);
    CHECK(slower(4ms, 9ms, 5) == 0);
    CHECK(slower(4ms, 40ms, 5) == 1);
  }

  TEST_CASE("tests come, go, and have too few runs") {
    BenchRecord before;
    BenchRecord now;
    before.tests = {steady("stays", 1s), steady("goes", 1s), steady("seldom", 1s, 1), steady("brief", 1ms)};
    now.tests = {steady("stays", 1s), steady("comes", 1s), steady("seldom", 1s), steady("brief", 1ms)};
    const BenchComparison found = compare_benches(before, now);
    CHECK(found.compared == 1);
    CHECK(found.added == 1);
    CHECK(found.gone == 1);
    CHECK(found.too_few == 1);
    CHECK(found.brief == 1);
    check_golden("comes_and_goes", comparison_text(before, now, "old.json", {}));
    CHECK(compare_benches({}, {}).compared == 0);
  }

  TEST_CASE("a whole comparison as text") {
    BenchRecord before;
    before.pfast = "0.10.0";
    before.python = "3.11";
    before.workers = before.processors = 2;
    before.walls = {12s, 13s, 12500ms};
    for (int i = 0; i < 10; ++i) {
      before.tests.push_back(steady("tests/test_a.py::test_" + std::to_string(i), 1s));
      before.tests.back().cpu = before.tests.back().own;
    }
    BenchRecord now = before;
    now.workers = 4;
    for (BenchRecord::Test& test : now.tests) scale(test, 1.1);   // the machine
    scale(now.tests[3], 1.25);
    scale(now.tests[4], 0.5);
    check_golden("changes", comparison_text(before, now, "main.json", {}));
    check_golden("no_change", comparison_text(before, before, "main.json", {}));
  }

  TEST_CASE("a record keeps what never failed") {
    BenchFigures figures;
    for (const char* outcome : {"passed", "failed"}) {
      RunFigures run;
      ItemResult result;
      result.nodeid = "good";
      result.outcome = "passed";
      run.add_result(result);
      result.item = 1;
      result.nodeid = "now and then";
      result.outcome = outcome;
      run.add_result(result);
      run.add_measured({});
      figures.add_run(std::move(run));
    }
    const BenchRecord record = record_of(figures);
    REQUIRE(record.tests.size() == 1);
    CHECK(record.tests[0].nodeid == "good");
    CHECK(record.tests[0].own.size() == 2);
    CHECK(record.walls.size() == 2);
  }

  TEST_CASE("numbers that no bench has do no harm") {
    BenchRecord odd;
    odd.tests = {{"a", {0ns, 0ns, 0ns}, {}}, {"b", {nanoseconds::max(), nanoseconds::max(), nanoseconds::max()}, {nanoseconds::min()}}};
    odd.tests.push_back(odd.tests[0]);
    const std::string text = comparison_text(odd, odd, "odd", {});
    CHECK(text.find("nan") == std::string::npos);
    CHECK(text.find("inf") == std::string::npos);
  }
}
