#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <pfcore/messages_v1.hpp>
#include <pfcore/pickle_reader.hpp>
#include <pfcore/value_builder.hpp>

#include "pickles.hpp"
#include "support.hpp"

using namespace pf::core;
using namespace std::string_literals;
using pf::test::decoded;

namespace {

// The predecessor sent it: test/data/wire_v1.
std::string captured(const std::string& name) { return pf::test::read_file(pf::test::data_directory() / "wire_v1" / (name + ".pickle")); }

Document document_of(std::string_view pickle) {
  Result<Document> document = decode_pickle(pickle, Limits::result());
  REQUIRE(document.ok());
  return std::move(*document);
}

template <typename T>
T command_of(std::string_view pickle) {
  Result<v1::Command> command = v1::decode_command(document_of(pickle).root());
  REQUIRE(command.ok());
  REQUIRE(std::holds_alternative<T>(*command));
  return std::get<T>(std::move(*command));
}

template <typename T>
T answer_of(std::string_view pickle) {
  Result<v1::Answer> answer = v1::decode_answer(document_of(pickle).root());
  REQUIRE(answer.ok());
  REQUIRE(std::holds_alternative<T>(*answer));
  return std::get<T>(*answer);
}

ErrorCode command_error(const Value& value) { return v1::decode_command(value).error().code; }
ErrorCode answer_error(const Value& value) { return v1::decode_answer(value).error().code; }

constexpr std::string_view k_empty_fingerprint = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

}  // namespace

TEST_SUITE("pfcore/messages_v1") {
  TEST_CASE("the commands of the predecessor's client are read") {
    const auto run = command_of<v1::RunCommand>(captured("command-run"));
    CHECK(run.fingerprint == k_empty_fingerprint);
    CHECK(run.full_report);
    CHECK_FALSE(run.stream);
    CHECK_FALSE(run.nodeids.has_value());
    CHECK(run.detailed);
    CHECK(run.bench == 3);
    const auto streamed = command_of<v1::RunCommand>(captured("command-run-streamed"));
    CHECK(streamed.stream);
    CHECK(streamed.nodeids == std::vector<std::string>{"test_x.py::test_a[0]", "test_x.py::test_a[1]"});
    CHECK_FALSE(streamed.detailed);   // missing, as what follows
    CHECK(streamed.bench == 0);
    CHECK(command_of<v1::StatusCommand>(captured("command-status")).fingerprint == k_empty_fingerprint);
    (void)command_of<v1::ShutdownCommand>(captured("command-shutdown"));
    CHECK(command_of<v1::PromoteCommand>(captured("command-promote")).address == "/tmp/v1cap/real.sock");
  }

  TEST_CASE("the answers of the predecessor's daemon are read") {
    const auto progress = answer_of<v1::ProgressAnswer>(captured("answer-progress"));
    CHECK(progress.done == 2);
    CHECK(progress.total == 3);
    const auto finished = answer_of<v1::FinishedAnswer>(captured("answer-finished"));
    CHECK(finished.exit_code == 1);
    CHECK(finished.summary.find("results : 1 failed, 2 passed  (n=3/3)") != std::string::npos);
    CHECK(answer_of<v1::ReadyAnswer>(captured("answer-status")).ready);
    CHECK_FALSE(answer_of<v1::ReadyAnswer>(captured("answer-status")).stale);
    CHECK(answer_of<v1::ReadyAnswer>(captured("answer-status-stale")).stale);
    (void)answer_of<v1::StaleAnswer>(captured("answer-stale"));
    (void)answer_of<v1::ByeAnswer>(captured("answer-bye"));
    CHECK_FALSE(answer_of<v1::PromotedAnswer>(captured("answer-promoted")).promoted);
    const Document document = document_of(captured("answer-report"));
    const Result<v1::Answer> answer = v1::decode_answer(document.root());
    REQUIRE(answer.ok());
    const auto* const report = std::get_if<v1::ReportAnswer>(&*answer);
    REQUIRE(report != nullptr);
    CHECK(report->report.find("nodeid")->as_str() == "test_x.py::test_a[1]");
  }

  TEST_CASE("what is written has the values that the predecessor writes") {
    for (const std::string name : {"run", "run-streamed", "status", "shutdown", "promote"}) {
      CAPTURE(name);
      const std::string pickle = captured("command-" + name);
      const Result<v1::Command> command = v1::decode_command(document_of(pickle).root());
      REQUIRE(command.ok());
      // The streamed run leaves its last elements out.
      const std::string theirs = decoded(pickle);
      const std::string ours = decoded(v1::encode(*command));
      if (name == "run-streamed") CHECK(ours == theirs.substr(0, theirs.size() - 1) + ",F,i0)");
      else CHECK(ours == theirs);
    }
    for (const std::string name : {"progress", "finished", "status", "status-stale", "stale", "bye", "promoted", "report"}) {
      CAPTURE(name);
      const Document document = document_of(captured("answer-" + name));
      const Result<v1::Answer> answer = v1::decode_answer(document.root());
      REQUIRE(answer.ok());
      CHECK(decoded(v1::encode(*answer)) == canonical_text(document.root()));
    }
  }

  TEST_CASE("elements may be missing from the right, and more are ignored") {
    ValueBuilder build;
    const std::vector<Value> all{build.str("run"), build.str("fp"), build.boolean(true), build.integer(1), build.list(), build.integer(0),
                                 build.boolean(true), build.str("later")};
    for (std::size_t size = 1; size <= all.size(); ++size) {
      CAPTURE(size);
      const Result<v1::Command> command = v1::decode_command(build.tuple(std::span(all).first(size)));
      REQUIRE(command.ok());
      const auto& run = std::get<v1::RunCommand>(*command);
      CHECK(run.fingerprint.has_value() == (size > 1));
      CHECK(run.full_report == (size > 2));
      CHECK(run.stream == (size > 3));
      CHECK(run.nodeids.has_value() == (size > 4));
      CHECK_FALSE(run.detailed);
      CHECK(run.bench == (size > 6 ? 1 : 0));
    }
    CHECK(v1::decode_command(build.tuple(std::array{build.str("shutdown"), build.str("later")})).ok());
  }

  TEST_CASE("an unknown verb and elements of another kind are refused by name") {
    ValueBuilder build;
    const auto refusal = [&](std::vector<Value> elements) { return v1::decode_command(build.tuple(elements)).error().message; };
    CHECK(command_error(build.tuple(std::array{build.str("x"), build.str("y")})) == ErrorCode::invalid_argument);
    CHECK(refusal({build.str("x")}).find("'x' is none of its verbs") != std::string::npos);
    CHECK(command_error(Value()) == ErrorCode::malformed);
    CHECK(command_error(build.tuple({})) == ErrorCode::malformed);
    CHECK(command_error(build.list()) == ErrorCode::malformed);
    CHECK(command_error(build.tuple(std::array{build.integer(1)})) == ErrorCode::malformed);
    CHECK(refusal({build.str("status"), build.integer(1)}).find("'fp'") != std::string::npos);
    CHECK(refusal({build.str("run"), Value(), build.str("yes")}).find("'full_report'") != std::string::npos);
    CHECK(refusal({build.str("promote")}).find("'address'") != std::string::npos);
    const Value mixed = build.list();
    build.fill(mixed, std::array{build.str("a"), build.integer(1)});
    CHECK(refusal({build.str("run"), Value(), Value(), Value(), mixed}).find("'nodeids'") != std::string::npos);
    CHECK_FALSE(std::get<v1::RunCommand>(*v1::decode_command(
        build.tuple(std::array{build.str("run"), Value(), Value(), Value(), build.str("no list")}))).nodeids.has_value());
  }

  TEST_CASE("a command that names one text a million times is bounded") {
    ValueBuilder build;
    const Value text = build.str(std::string(1000, 'x'));
    const Value list = build.list();
    build.fill(list, std::vector<Value>(1000, text));
    const Value command = build.tuple(std::array{build.str("run"), Value(), Value(), Value(), list});
    CHECK(v1::decode_command(command, 2'000'000).ok());
    CHECK(v1::decode_command(command, 500'000).error().code == ErrorCode::limit);
  }

  TEST_CASE("answers of other kinds are malformed") {
    ValueBuilder build;
    const auto dict = [&](const char* key, Value value) {
      const Value made = build.dict();
      build.fill(made, std::array{build.str(key), value});
      return made;
    };
    CHECK(answer_error(Value()) == ErrorCode::malformed);
    CHECK(answer_error(build.dict()) == ErrorCode::malformed);
    CHECK(answer_error(dict("other", Value())) == ErrorCode::malformed);
    CHECK(answer_error(dict("progress", build.integer(1))) == ErrorCode::malformed);
    CHECK(answer_error(dict("rc", build.str("1"))) == ErrorCode::malformed);
    CHECK(answer_error(dict("report", build.integer(1))) == ErrorCode::malformed);
    CHECK(answer_error(dict("stale", build.boolean(false))) == ErrorCode::malformed);
    CHECK(std::get<v1::FinishedAnswer>(*v1::decode_answer(dict("rc", build.integer(3)))).exit_code == 3);
  }
}
