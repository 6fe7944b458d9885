// Measured runs to make texts of: the events that a client would have had.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <pfcore/run_figures.hpp>

namespace pf::test {

struct MeasuredTest {
  std::string nodeid;
  int worker = 0;
  double setup_s = 0;
  double call_s = 0;
  double teardown_s = 0;
  double cpu_share = 1;        // of each phase
  double queued_s = 0;         // of the call
  std::string outcome = "passed";
};

inline core::PhaseReport measured_phase(std::string_view when, double seconds, const MeasuredTest& test) {
  core::PhaseReport phase = core::PhaseReport{};
  phase.when = when;
  phase.outcome = "passed";
  phase.duration_s = seconds;
  phase.cpu_s = seconds * test.cpu_share;
  if (when == "call") phase.queued_s = test.queued_s;
  if (when == "call" && test.outcome == "failed") {
    phase.outcome = phase.category = "failed";
    phase.headline = test.nodeid.substr(test.nodeid.rfind(':') + 1);
    phase.longrepr = "E   assert [1] == [2]";
    phase.reason = "assert [1] == [2]";
  }
  return phase;
}

// Workers begin at start_s and are busy one test after the other, with `between_s` of pytest's own in each and `gap_s` after it.
struct MeasuredRun {
  std::vector<MeasuredTest> tests = {};
  std::vector<std::uint32_t> groups = {};   // words; empty = every test by itself
  std::size_t workers = 1;
  std::size_t processors = 2;
  double start_s = 0.010;
  double between_s = 0.0005;
  double gap_s = 0.0001;
  double boot_ms = 0;

  [[nodiscard]] core::MeasuredEvent measured() const {
    core::MeasuredEvent event;
    event.workers = static_cast<std::int64_t>(workers);
    event.processors = static_cast<std::int64_t>(processors);
    event.groups = groups;
    if (event.groups.empty()) event.groups.resize(tests.size());
    for (std::uint32_t worker = 0; worker < workers; ++worker) {
      core::LifeReport& life = event.lives.emplace_back();
      life.worker = worker;
      life.begun_s = life.ended_s = start_s;
      double at = start_s;
      for (const MeasuredTest& test : tests) {
        if (test.worker != static_cast<int>(worker)) continue;
        const double phases = test.setup_s + test.call_s + test.teardown_s;
        life.busy_s += phases + between_s;
        life.cpu_s += phases * test.cpu_share + between_s;
        life.queued_s += test.queued_s;
        life.ended_s = at + phases + between_s;
        at = life.ended_s + gap_s;
        ++life.ran;
      }
      event.wall_s = std::max(event.wall_s, life.ended_s);
    }
    event.frames = static_cast<std::int64_t>(tests.size() + workers);
    event.bytes = static_cast<std::int64_t>(200 * tests.size());
    return event;
  }

  [[nodiscard]] core::RunFigures figures(bool keep_failures = false) const {
    core::RunFigures out(keep_failures);
    core::CollectedEvent collected;
    collected.selected = static_cast<std::int64_t>(tests.size());
    collected.workers = static_cast<std::int64_t>(workers);
    out.add_collected(collected);
    for (std::uint32_t item = 0; item < tests.size(); ++item) {
      const MeasuredTest& test = tests[item];
      core::ItemResult result;
      result.item = item;
      result.nodeid = test.nodeid;
      result.worker = "gw" + std::to_string(test.worker);
      result.outcome = test.outcome;
      result.busy_s = test.setup_s + test.call_s + test.teardown_s + between_s;
      result.phases = {measured_phase("setup", test.setup_s, test), measured_phase("call", test.call_s, test),
                       measured_phase("teardown", test.teardown_s, test)};
      out.add_result(result);
    }
    const core::MeasuredEvent event = measured();
    out.add_measured(event);
    core::FinishedEvent finished;
    finished.total = static_cast<std::int64_t>(tests.size());
    finished.wait_ms = 0.3;
    finished.boot_ms = boot_ms;
    finished.select_ms = 12.5;
    finished.run_ms = event.wall_s * 1000 + 30;
    out.add_finished(finished);
    return out;
  }
};

inline std::vector<MeasuredTest> many(std::size_t count, int workers, double setup_s, double call_s, double cpu_share = 1) {
  std::vector<MeasuredTest> out;
  for (std::size_t i = 0; i < count; ++i) {
    MeasuredTest& test = out.emplace_back();
    test.nodeid = "tests/test_" + std::string(1, static_cast<char>('a' + i % 4)) + ".py::test_" + std::to_string(i);
    test.worker = static_cast<int>(i % static_cast<std::size_t>(workers));
    test.setup_s = setup_s;
    test.call_s = call_s;
    test.cpu_share = cpu_share;
  }
  return out;
}

}  // namespace pf::test
