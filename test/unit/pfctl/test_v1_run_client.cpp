#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <pfcore/pickle_reader.hpp>
#include <pfcore/pickle_writer.hpp>
#include <pfctl/v1_run_client.hpp>

using namespace pf;
using ctl::V1RunClient;
namespace v1 = core::v1;

namespace {

struct Sent final : ctl::V1Answers {
  void send_answer(std::string_view payload) override { take(payload); }
  void send_droppable_answer(std::string_view payload) override { take(payload); }
  void send_last_answer(std::string_view payload) override {
    take(payload);
    closed = true;
  }
  [[nodiscard]] std::size_t queued_answer_bytes() const override { return 0; }

  void take(std::string_view payload) {
    CHECK_FALSE(closed);
    auto document = core::decode_pickle(payload, core::Limits::result());
    REQUIRE(document.ok());
    auto answer = v1::decode_answer(document->root());
    REQUIRE(answer.ok());
    if (const auto* report = std::get_if<v1::ReportAnswer>(&*answer)) {
      reports.emplace_back(report->report.find("nodeid")->as_str().value());
      outcomes.emplace_back(report->report.find("outcome")->as_str().value());
      keys.push_back(report->report.entries().size());
      if (const auto when = report->report.find("when")) whens.emplace_back(when->as_str().value());
      if (const auto duration = report->report.find("duration")) durations.push_back(duration->as_float().value());
    } else if (const auto* progress = std::get_if<v1::ProgressAnswer>(&*answer)) {
      last_progress = *progress;
    } else if (const auto* finished = std::get_if<v1::FinishedAnswer>(&*answer)) {
      exit_code = finished->exit_code;
      summary = finished->summary;
    }
  }

  std::vector<std::string> reports;
  std::vector<std::string> outcomes;
  std::vector<std::size_t> keys;
  std::vector<std::string> whens;
  std::vector<double> durations;
  v1::ProgressAnswer last_progress{-1, -1};
  std::int64_t exit_code = -1;
  std::string summary;
  bool closed = false;
};

std::string serialised(const std::string& nodeid, const char* outcome) {
  core::PickleWriter writer;
  writer.begin_dict();
  writer.field("nodeid", nodeid);
  writer.field("outcome", outcome);
  writer.field("$pfast_captured", true);
  writer.end_dict();
  return writer.finish();
}

core::ItemResult result(const std::string& nodeid, const char* outcome = "passed") {
  core::ItemResult item;
  item.nodeid = nodeid;
  item.worker = "gw0";
  item.outcome = outcome;
  core::PhaseReport phase;
  phase.when = "call";
  phase.outcome = outcome == std::string("passed") ? "passed" : "failed";
  phase.category = outcome;
  phase.longrepr = outcome == std::string("passed") ? "" : "\nassert 0\n";
  phase.duration_s = 0.5;
  phase.start_s = 100;
  item.phases = {phase};
  item.opaque = {serialised(nodeid, phase.outcome.c_str())};
  return item;
}

core::FinishedEvent finished(std::int64_t exit_code, std::int64_t total) {
  core::FinishedEvent event;
  event.exit_code = exit_code;
  event.total = total;
  event.run_ms = 1000;
  return event;
}

core::CollectedEvent collected(std::int64_t selected) {
  core::CollectedEvent event;
  event.selected = selected;
  event.workers = 2;
  return event;
}

template <typename... Events>
Sent play(const v1::RunCommand& command, const Events&... events) {
  Sent sent;
  V1RunClient client(sent, command, 7);
  (client.send_event(core::encode(events)), ...);
  CHECK(sent.closed);
  return sent;
}

v1::RunCommand streamed(std::vector<std::string> nodeids = {}) {
  v1::RunCommand command;
  command.stream = true;
  if (!nodeids.empty()) command.nodeids = std::move(nodeids);
  return command;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

TEST_SUITE("pfctl/v1_run_client") {
  TEST_CASE("without stream there is progress, and the last one is the whole") {
    const Sent sent = play(v1::RunCommand{}, collected(2), result("a"), result("b", "failed"), finished(1, 2));
    CHECK(sent.reports.empty());
    CHECK(sent.last_progress.done == 2);
    CHECK(sent.last_progress.total == 2);
    CHECK(sent.exit_code == 1);
  }

  TEST_CASE("the summary has the predecessor's lines") {
    const Sent sent = play(v1::RunCommand{}, collected(2), result("a"), result("b", "failed"), finished(1, 2));
    for (const char* line : {"  FORKSERVER DAEMON  —  2w  —  run #7 (warm)\n", "  results : 1 failed, 1 passed  (n=2/2)\n",
                             "  RUN     :   1.00s   ← wall\n", "  par.    : 1.00x of 2 ", "  FAILURES (1):\n    ✗ b\n      assert 0\n"}) {
      CAPTURE(line);
      CHECK(has(sent.summary, line));
    }
    CHECK_FALSE(has(sent.summary, "SLOWEST"));
    CHECK_FALSE(has(sent.summary, "⚠"));
  }

  TEST_CASE("full_report lists phases in the place of slow tests") {
    v1::RunCommand command;
    command.full_report = true;
    const Sent sent = play(command, collected(1), result("a"), finished(0, 1));
    CHECK(has(sent.summary, "  DURATIONS (top 1, ≥5ms — per phase):\n       0.500s  call     a\n"));
  }

  TEST_CASE("with stream each report goes out as it came, without pfast's own keys") {
    const Sent sent = play(streamed(), collected(2), result("a"), result("b", "failed"), finished(1, 2));
    CHECK(sent.reports == std::vector<std::string>{"a", "b"});
    CHECK(sent.outcomes == std::vector<std::string>{"passed", "failed"});
    CHECK(sent.keys == std::vector<std::size_t>{2, 2});
    CHECK(sent.last_progress.done == -1);
  }

  TEST_CASE("a report in the short form goes out in full") {
    core::ItemResult item = result("a");
    core::PickleWriter whole;
    whole.begin_dict();
    whole.field("nodeid", "a");
    whole.field("outcome", "passed");
    whole.field("when", "setup");
    whole.field("duration", 0.25);
    whole.end_dict();
    core::PickleWriter in_short;
    in_short.begin_tuple();
    in_short.str("call");
    in_short.floating(0.5);
    in_short.floating(1);
    in_short.floating(1.5);
    in_short.end_tuple();
    const std::string part = in_short.finish();
    item.opaque = {whole.finish(), part, part};
    const Sent sent = play(streamed(), collected(1), item, finished(0, 1));
    CHECK(sent.reports == std::vector<std::string>{"a", "a", "a"});
    CHECK(sent.whens == std::vector<std::string>{"setup", "call", "call"});
    CHECK(sent.durations == std::vector<double>{0.25, 0.5, 0.5});
    CHECK(sent.keys == std::vector<std::size_t>{4, 4, 4});

    item.opaque = {part, part};   // of no first report: told from the result's phases
    CHECK(play(streamed(), collected(1), item, finished(0, 1)).reports == std::vector<std::string>{"a"});
  }

  TEST_CASE("an item whose process was lost has the report of its result") {
    core::ItemResult lost = result("a", "failed");
    lost.opaque.clear();
    lost.lost = "worker 'gw0' crashed while running 'a'";
    const Sent sent = play(streamed(), collected(1), lost, finished(1, 1));
    CHECK(sent.reports == std::vector<std::string>{"a"});
    CHECK(sent.outcomes == std::vector<std::string>{"failed"});
    CHECK(has(sent.summary, "UNTRUSTED RUN"));
  }

  TEST_CASE("reports that hold what is no plain value are told from the result") {
    core::ItemResult odd = result("a");
    odd.opaque = {"cos\nsystem\n."};
    const Sent sent = play(streamed(), collected(1), odd, finished(0, 1));
    CHECK(sent.reports == std::vector<std::string>{"a"});
  }

  TEST_CASE("a run that ends badly without a failed test tells one: the predecessor's plugin would stay green") {
    core::FinishedEvent end = finished(3, 1);
    end.reason = "internal error in worker 'gw0'";
    const Sent sent = play(streamed(), collected(1), result("a"), end);
    CHECK(sent.outcomes == std::vector<std::string>{"passed", "failed"});
    CHECK(sent.exit_code == 3);
  }

  TEST_CASE("node ids that the suite does not have are no success") {
    const Sent sent = play(streamed({"a", "nope"}), collected(1), result("a"), finished(0, 1));
    CHECK(sent.exit_code == 4);
    CHECK(has(sent.summary, "NOT IN THIS SUITE (1):\n    nope"));
    CHECK(play(streamed({"a", "b"}), collected(2), result("a"), result("b"), finished(0, 2)).exit_code == 0);
  }

  TEST_CASE("a try that another one follows is not told") {
    core::ItemResult first = result("a", "failed");
    first.outcome = "rerun";
    const Sent sent = play(streamed({"a"}), collected(1), first, result("a"), finished(0, 1));
    CHECK(sent.outcomes == std::vector<std::string>{"passed"});
    CHECK(sent.exit_code == 0);
  }

  TEST_CASE("pytest's codes go through: nothing is called a success that is none") {
    for (const std::int64_t code : {2, 3, 4, 5}) CHECK(play(v1::RunCommand{}, collected(0), finished(code, 0)).exit_code == code);
  }

  TEST_CASE("a run that did not take place says why") {
    core::ErrorEvent error;
    error.code = "boot-failed";
    error.message = "collect: pytest died";
    error.hint = "look at it";
    error.exit_code = 72;
    error.output = "E   SyntaxError";
    const Sent sent = play(streamed(), error);
    CHECK(sent.exit_code == 72);
    CHECK(sent.summary == "E   SyntaxError\npfast: error: failed to collect: pytest died\n  hint: look at it");
    CHECK(sent.outcomes == std::vector<std::string>{"failed"});
  }

  TEST_CASE("collection errors are in the summary") {
    core::CollectedEvent event = collected(0);
    core::PhaseReport report;
    report.when = "collect";
    report.outcome = "failed";
    report.headline = "test_broken.py";
    report.longrepr = "SyntaxError";
    event.collect_reports = {report};
    event.errors = 1;
    const Sent sent = play(v1::RunCommand{}, event, finished(2, 0));
    CHECK(has(sent.summary, "  COLLECTION ERRORS (1):\n    ✗ test_broken.py\n      SyntaxError\n"));
    CHECK(sent.exit_code == 2);
  }
}
