#include <doctest/doctest.h>

#include <string>

#include <pfcore/pickle_reader.hpp>
#include <pfcore/pickle_writer.hpp>
#include <pfctl/v1_outcomes.hpp>

using pf::ctl::V1Outcomes;

namespace {

struct Report {
  const char* when;
  const char* outcome;
  bool wasxfail = false;
  const char* type = "TestReport";
};

void add(V1Outcomes& outcomes, const std::string& nodeid, const Report& report) {
  pf::core::PickleWriter writer;
  writer.begin_dict();
  writer.field("nodeid", nodeid);
  writer.field("when", report.when);
  writer.field("outcome", report.outcome);
  if (report.wasxfail) writer.field("wasxfail", "");
  writer.field("$report_type", report.type);
  writer.end_dict();
  const std::string pickle = writer.finish();
  const auto document = pf::core::decode_pickle(pickle, pf::core::Limits::control());
  REQUIRE(document.ok());
  outcomes.add(document->root());
}

std::string outcome_of(std::initializer_list<Report> reports) {
  V1Outcomes outcomes;
  for (const Report& report : reports) add(outcomes, "t.py::test", report);
  return outcomes.by_nodeid().at("t.py::test");
}

}  // namespace

TEST_SUITE("pfctl/v1_outcomes") {
  TEST_CASE("each of the six words") {
    CHECK(outcome_of({{"setup", "passed"}, {"call", "passed"}, {"teardown", "passed"}}) == "passed");
    CHECK(outcome_of({{"setup", "passed"}, {"call", "failed"}, {"teardown", "passed"}}) == "failed");
    CHECK(outcome_of({{"setup", "failed"}, {"teardown", "passed"}}) == "error");
    CHECK(outcome_of({{"setup", "skipped"}, {"teardown", "passed"}}) == "skipped");
    CHECK(outcome_of({{"setup", "passed"}, {"call", "skipped"}, {"teardown", "passed"}}) == "skipped");
    CHECK(outcome_of({{"setup", "passed"}, {"call", "skipped", true}, {"teardown", "passed"}}) == "xfailed");
    CHECK(outcome_of({{"setup", "skipped", true}, {"teardown", "passed"}}) == "xfailed");
    CHECK(outcome_of({{"setup", "passed"}, {"call", "passed", true}, {"teardown", "passed"}}) == "xpassed");
  }

  TEST_CASE("the worst phase decides") {
    CHECK(outcome_of({{"setup", "passed"}, {"call", "failed"}, {"teardown", "failed"}}) == "error");
    CHECK(outcome_of({{"setup", "passed"}, {"call", "passed", true}, {"teardown", "failed"}}) == "error");
    CHECK(outcome_of({{"setup", "passed"}, {"call", "skipped"}, {"teardown", "failed"}}) == "error");
  }

  TEST_CASE("a try that another one follows is no outcome") {
    CHECK(outcome_of({{"setup", "passed"}, {"call", "rerun"}, {"teardown", "passed"}, {"call", "passed"}}) == "passed");
  }

  TEST_CASE("a part of a test is not the test") {
    CHECK(outcome_of({{"call", "failed", false, "SubtestReport"}, {"call", "passed"}}) == "passed");
  }

  TEST_CASE("a test is done with its teardown") {
    V1Outcomes outcomes;
    add(outcomes, "a", {"setup", "passed"});
    add(outcomes, "a", {"call", "passed"});
    CHECK(outcomes.done() == 0);
    add(outcomes, "a", {"teardown", "passed"});
    add(outcomes, "b", {"setup", "failed"});
    add(outcomes, "b", {"teardown", "passed"});
    CHECK(outcomes.done() == 2);
  }

  TEST_CASE("what is no report is passed over") {
    V1Outcomes outcomes;
    outcomes.add(pf::core::Value());
    CHECK(outcomes.by_nodeid().empty());
  }
}
