#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <pfcore/run_tally.hpp>

using namespace pf::core;

namespace {

PhaseReport phase(std::string when, std::string outcome, std::string category) {
  PhaseReport report;
  report.when = std::move(when);
  report.outcome = std::move(outcome);
  report.category = std::move(category);
  return report;
}

const PhaseReport k_setup = phase("setup", "passed", "");
const PhaseReport k_call = phase("call", "passed", "passed");
const PhaseReport k_teardown = phase("teardown", "passed", "");
const PhaseReport k_call_failed = phase("call", "failed", "failed");
const PhaseReport k_setup_failed = phase("setup", "failed", "error");
const PhaseReport k_teardown_failed = phase("teardown", "failed", "error");

using Items = std::vector<std::uint32_t>;

RunTally tally_of(const std::vector<std::string>& outcomes) {
  RunTally tally(outcomes.size());
  for (std::uint32_t i = 0; i < outcomes.size(); ++i) {
    if (!outcomes[i].empty()) (void)tally.record(i, outcomes[i]);
  }
  return tally;
}

}  // namespace

TEST_SUITE("pfcore/run_tally") {
  TEST_CASE("an item is named by the worst of its phases") {
    CHECK(item_outcome({k_setup, k_call, k_teardown}) == "passed");
    CHECK(item_outcome({k_setup, k_call_failed, k_teardown}) == "failed");
    CHECK(item_outcome({k_setup_failed, k_teardown}) == "error");
    CHECK(item_outcome({k_setup, k_call, k_teardown_failed}) == "error");
    CHECK(item_outcome({k_setup, k_call_failed, k_teardown_failed}) == "error");
    CHECK(item_outcome({k_setup, phase("call", "skipped", "skipped"), k_teardown_failed}) == "error");
  }

  TEST_CASE("skipped, xfailed and xpassed are pytest's words") {
    CHECK(item_outcome({phase("setup", "skipped", "skipped"), k_teardown}) == "skipped");
    CHECK(item_outcome({k_setup, phase("call", "skipped", "skipped"), k_teardown}) == "skipped");
    CHECK(item_outcome({k_setup, phase("call", "skipped", "xfailed"), k_teardown}) == "xfailed");
    CHECK(item_outcome({k_setup, phase("call", "passed", "xpassed"), k_teardown}) == "xpassed");
  }

  TEST_CASE("a plugin's own category does not hide what happened") {
    PhaseReport odd = phase("call", "failed", "quarantined");
    CHECK(item_outcome({k_setup, odd, k_teardown}) == "failed");
    odd = phase("call", "skipped", "postponed");
    CHECK(item_outcome({k_setup, odd, k_teardown}) == "skipped");
    odd.wasxfail = true;
    CHECK(item_outcome({k_setup, odd, k_teardown}) == "xfailed");
    odd.outcome = "passed";
    CHECK(item_outcome({k_setup, odd, k_teardown}) == "xpassed");
    CHECK(item_outcome({k_setup, phase("call", "passed", "flaky"), k_teardown}) == "passed");
  }

  TEST_CASE("a failed subtest fails its item") {
    CHECK(item_outcome({k_setup, phase("call", "failed", "subtests failed"), k_call, k_teardown}) == "failed");
  }

  TEST_CASE("of several tries the last one counts") {
    const PhaseReport rerun = phase("call", "rerun", "rerun");
    CHECK(item_outcome({k_setup, rerun, k_setup, k_call, k_teardown}) == "passed");
    CHECK(item_outcome({k_setup, rerun, k_setup, k_call_failed, k_teardown}) == "failed");
    CHECK(item_outcome({k_setup_failed, phase("setup", "rerun", "rerun"), k_setup, k_call, k_teardown}) == "passed");
  }

  TEST_CASE("what is no final result is not green") {
    CHECK(item_outcome({}) == "error");
    CHECK(item_outcome({k_setup, phase("call", "rerun", "rerun")}) == "rerun");
    CHECK(item_outcome({k_setup, phase("call", "rerun", "rerun"), k_teardown}) == "rerun");
    CHECK(item_outcome({k_setup, phase("call", "rerun", "rerun"), k_teardown, k_setup, k_call_failed, k_teardown}) == "failed");
  }

  TEST_CASE("a run is complete when every item has exactly one result") {
    RunTally tally(3);
    CHECK_FALSE(tally.complete());
    CHECK(tally.record(2, "passed") == Accepted::first);
    CHECK(tally.record(0, "failed") == Accepted::first);
    CHECK(tally.has(2));
    CHECK_FALSE(tally.has(1));
    CHECK_FALSE(tally.has(99));
    CHECK(tally.missing() == Items{1});
    CHECK_FALSE(tally.complete());
    CHECK(tally.record(1, "error") == Accepted::first);
    CHECK(tally.complete());
    CHECK(tally.done() == 3);
    CHECK(tally.failed() == 2);
    CHECK(tally.with_failure() == Items{0, 1});
    CHECK(tally.without_failure() == Items{2});
  }

  TEST_CASE("identity counts, not numbers: a second result makes the run untrusted") {
    RunTally tally(2);
    CHECK(tally.record(0, "passed") == Accepted::first);
    CHECK(tally.record(0, "passed") == Accepted::duplicate);
    CHECK(tally.done() == 1);
    CHECK(tally.record(1, "passed") == Accepted::first);
    CHECK(tally.untrusted());
    CHECK_FALSE(tally.complete());
    CHECK(verdict(tally, 0, false) == 3);
  }

  TEST_CASE("the result of an item that was not selected makes the run untrusted") {
    RunTally tally(1);
    CHECK(tally.record(1, "passed") == Accepted::out_of_range);
    CHECK(tally.record(0, "passed") == Accepted::first);
    CHECK_FALSE(tally.complete());
  }

  TEST_CASE("the milder words are no failures, any other word is one") {
    const RunTally tally = tally_of({"passed", "skipped", "xfailed", "xpassed", "failed", "error", "rerun", "Passed"});
    CHECK(tally.without_failure() == Items{0, 1, 2, 3});
    CHECK(tally.with_failure() == Items{4, 5, 6, 7});
  }

  TEST_CASE("green needs a complete run with an item in it") {
    CHECK(verdict(tally_of({"passed", "skipped"}), 0, false) == 0);
    CHECK(verdict(tally_of({"passed", ""}), 0, false) == 3);
    CHECK(verdict(tally_of({"passed", ""}), 0, true) == 2);
    CHECK(verdict(tally_of({"passed", "failed"}), 0, false) == 1);
    CHECK(verdict(tally_of({"failed", ""}), 0, false) == 3);
    CHECK(verdict(tally_of({}), 0, false) == 5);
  }

  TEST_CASE("what the session said is never made better") {
    for (const int code : {1, 2, 3, 4, 5}) {
      CHECK(verdict(tally_of({"passed"}), code, false) == code);
      CHECK(verdict(tally_of({"passed", ""}), code, true) != 0);
      CHECK(verdict(tally_of({"failed"}), code, false) != 0);
    }
    CHECK(verdict(tally_of({"failed", ""}), 1, false) == 1);   // -x
    CHECK(verdict(tally_of({"failed"}), 5, false) == 1);
    CHECK(verdict(tally_of({"passed", ""}), 5, false) == 3);
  }

  TEST_CASE("no combination of results, session code and interruption is green without proof") {
    const std::vector<std::string> words{"", "passed", "failed", "error", "skipped", "xfailed", "xpassed", "rerun"};
    for (const std::string& first : words) {
      for (const std::string& second : words) {
        const RunTally tally = tally_of({first, second});
        for (int code = 0; code <= 6; ++code) {
          for (const bool interrupted : {false, true}) {
            if (verdict(tally, code, interrupted) != 0) continue;
            CHECK(tally.complete());
            CHECK(tally.failed() == 0);
            CHECK(code == 0);
          }
        }
      }
    }
  }
}
