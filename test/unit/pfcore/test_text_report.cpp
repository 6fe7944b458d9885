#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <sstream>
#include <string>

#include <pfcore/pickle_reader.hpp>
#include <pfcore/text_report.hpp>

#include "support.hpp"

using namespace pf::core;

namespace {

// test/data/text_report/<case>: what a real pytest printed, and the events that belong to it; make.py there writes them.
std::filesystem::path cases() { return pf::test::data_directory() / "text_report"; }

TextStyle read_style(const std::filesystem::path& path) {
  TextStyle style;
  const std::map<std::string, std::function<void(const std::string&)>> setters{
      {"color", [&](const std::string& value) { style.color = value == "1"; }},
      {"columns", [&](const std::string& value) { style.columns = std::stoi(value); }},
      {"verbosity", [&](const std::string& value) { style.verbosity = std::stoi(value); }},
      {"report_chars", [&](const std::string& value) { style.report_chars = value; }},
      {"durations", [&](const std::string& value) { style.durations = std::stoi(value); }},
      {"durations_min_s", [&](const std::string& value) { style.durations_min_s = std::stod(value); }},
      {"durations_min_given", [&](const std::string& value) { style.durations_min_given = value == "1"; }},
      {"show_capture", [&](const std::string& value) { style.show_capture = value == "1"; }},
      {"no_summary", [&](const std::string& value) { style.no_summary = value == "1"; }},
      {"show_warnings", [&](const std::string& value) { style.show_warnings = value == "1"; }},
      {"fold_skips", [&](const std::string& value) { style.fold_skips = value == "1"; }},
      {"xfail_tb", [&](const std::string& value) { style.xfail_tb = value == "1"; }},
      {"full_reasons", [&](const std::string& value) { style.full_reasons = value == "1"; }},
      {"short_reasons", [&](const std::string& value) { style.short_reasons = value == "1"; }},
      {"tb", [&](const std::string& value) { style.tb = value; }},
      {"rootdir", [&](const std::string& value) { style.rootdir = value; }},
      {"cwd", [&](const std::string& value) { style.cwd = value; }},
  };
  std::istringstream lines(pf::test::read_file(path));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t equals = line.find('=');
    setters.at(line.substr(0, equals))(line.substr(equals + 1));
  }
  return style;
}

struct Recording {
  CollectedEvent collected;
  std::vector<ItemResult> results;
  std::vector<WarningReport> warnings;
  FinishedEvent finished;
};

Recording read_events(const std::filesystem::path& path) {
  const std::string content = pf::test::read_file(path);
  std::string_view rest = content;
  Recording recording;
  while (rest.size() >= 4) {
    std::size_t length = 0;
    for (const char byte : rest.substr(0, 4)) length = length << 8 | static_cast<std::uint8_t>(byte);
    const Document document = decode_pickle(rest.substr(4, length), Limits::result()).value();
    const Value& message = document.root();
    if (message_type(message) == "collected") recording.collected = decode_as<CollectedEvent>(message).value();
    else if (message_type(message) == "result") recording.results.push_back(decode_as<ItemResult>(message).value());
    else if (message_type(message) == "warning") recording.warnings.push_back(decode_as<WarningReport>(message).value());
    else recording.finished = decode_as<FinishedEvent>(message).value();
    rest.remove_prefix(4 + length);
  }
  return recording;
}

TextReport filled(const TextStyle& style, const Recording& recording) {
  TextReport report(style);
  report.add_collected(recording.collected);
  for (const WarningReport& warning : recording.warnings) report.add_warning(warning);
  for (const ItemResult& result : recording.results) report.add_result(result);
  return report;
}

PhaseReport phase(std::string when, std::string outcome, std::string category) {
  PhaseReport report;
  report.when = std::move(when);
  report.outcome = std::move(outcome);
  report.category = std::move(category);
  return report;
}

ItemResult item(std::uint32_t index, const std::string& name, std::vector<PhaseReport> phases) {
  ItemResult result;
  result.item = index;
  result.nodeid = "test_a.py::" + name;
  result.phases = std::move(phases);
  return result;
}

FinishedEvent finished_after(double seconds) {
  FinishedEvent event;
  event.duration_s = seconds;
  return event;
}

}  // namespace

TEST_SUITE("pfcore/text_report") {
  TEST_CASE("a summary is, byte by byte, what pytest prints") {
    std::size_t compared = 0;
    for (const auto& entry : std::filesystem::directory_iterator(cases())) {
      const std::filesystem::path folder = entry.path();
      if (!std::filesystem::exists(folder / "expected")) continue;
      CAPTURE(folder.filename().string());
      const Recording recording = read_events(folder / "events");
      const bool spoken = std::filesystem::exists(folder / "plugin_output");
      const std::string plugin_output = spoken ? pf::test::read_file(folder / "plugin_output") : "";
      const TextReport report = filled(read_style(folder / "style"), recording);
      CHECK(report.summary(recording.finished, plugin_output) == pf::test::read_file(folder / "expected"));
      ++compared;
    }
    CHECK(compared >= 40);
  }

  TEST_CASE("results of several workers are told in the order of the run") {
    Recording recording = read_events(cases() / "warnings" / "events");
    const std::string expected = pf::test::read_file(cases() / "warnings" / "expected");
    std::reverse(recording.results.begin(), recording.results.end());
    CHECK(filled({}, recording).summary(recording.finished, "") == expected);
  }

  TEST_CASE("a separator is as wide as the terminal and has one fill at least on each side") {
    TextStyle style;
    style.columns = 20;
    CHECK(section_line("ERRORS", '=', style) == "====== ERRORS ======");
    CHECK(section_line("ERROR", '=', style) == "====== ERROR =======");
    CHECK(section_line("", '-', style) == "--------------------");
    CHECK(section_line("a title that is far too long", '_', style) == "_ a title that is far too long _");
    style.columns = 0;
    CHECK(section_line("x", '=', style) == "= x =");
  }

  TEST_CASE("durations of tests have pytest's units, which are those of the rounded value") {
    const std::pair<double, const char*> judged[] = {
        {0, "0.000us"},        {1.5e-6, "1.500us"},   {99.994e-6, "99.99us"}, {99.996e-6, "100.0us"}, {999.96e-6, "1.000ms"},
        {0.0123456, "12.35ms"}, {0.25, "250.0ms"},    {0.99996, "1.000s"},    {59.9994, "59.999s"},   {59.9996, "1m 0s"},
        {3599.4, "59m 59s"},   {3599.6, "1h 0m"},     {90061, "25h 1m"},
    };
    for (const auto& [seconds, text] : judged) CHECK(node_duration(seconds) == text);
    CHECK(node_duration(1e300) == "1e+300s");
  }

  TEST_CASE("what the session says of its options replaces what was guessed, and nothing does when it says nothing") {
    TextStyle style;
    style.columns = 33;
    style.verbosity = 1;
    style.full_reasons = true;
    TextOptions options;
    options.report_chars = "A";
    options.durations = 3;
    options.durations_min_s = 0.5;
    options.disable_warnings = true;
    options.rootdir = "/p";
    take_options(style, options);
    CHECK(style.report_chars == "fE");
    CHECK(style.verbosity == 1);
    options.known = true;
    take_options(style, options);
    CHECK(style.report_chars == "A");
    CHECK(style.verbosity == 0);
    CHECK(style.durations == 3);
    CHECK(style.durations_min_given);
    CHECK(style.durations_min_s == 0.5);
    CHECK(!style.show_warnings);
    CHECK(style.rootdir == "/p");
    CHECK(style.columns == 33);
    CHECK(style.full_reasons);
    options.durations_min_s = -1;
    take_options(style, options);
    CHECK(!style.durations_min_given);
    CHECK(style.durations_min_s == 0.005);
  }

  TEST_CASE("a line says where the time went, when the client says how long it took to connect") {
    TextReport report({});
    CollectedEvent collected;
    collected.workers = 2;
    report.add_collected(collected);
    ItemResult result = item(0, "a", {phase("setup", "passed", ""), phase("call", "passed", "passed")});
    result.phases[0].duration_s = 0.1;
    result.phases[1].duration_s = 0.26;
    report.add_result(result);
    FinishedEvent finished = finished_after(0.3);
    finished.boot_ms = 812.4;
    finished.select_ms = 4.13;
    finished.run_ms = 200;
    CHECK(report.summary(finished, "").find("connect") == std::string::npos);
    report.note_connect(0.44);
    const std::string line = "connect 0.4 ms · boot 812 ms · select 4.1 ms · run 200 ms · parallelism 1.80 of 2 workers";
    CHECK(report.phases_line(finished) == line);
    CHECK(report.summary(finished, "").starts_with(line + "\n==="));
    finished.wait_ms = 12;
    CHECK(report.phases_line(finished).starts_with("connect 0.4 ms · wait 12 ms · boot "));
    TextStyle quiet;
    quiet.verbosity = -1;
    report.set_style(quiet);
    CHECK(report.summary(finished, "") == "1 passed in 0.30s\n");
  }

  TEST_CASE("output that --show-capture hides gives a passed test its head line and nothing else") {
    TextStyle style;
    style.report_chars = "P";
    style.columns = 20;
    TextReport report(style);
    ItemResult result = item(0, "a", {phase("setup", "passed", ""), phase("call", "passed", "passed")});
    result.phases[1].headline = "test_a";
    result.phases[1].sections = {{"", ""}};
    report.add_result(result);
    CHECK(report.summary(finished_after(0), "") == "====== PASSES ======\n______ test_a ______\n= 1 passed in 0.00s =\n");
  }

  TEST_CASE("text takes the columns that terminals give it") {
    CHECK(text_columns("") == 0);
    CHECK(text_columns("plain") == 5);
    CHECK(text_columns("日本") == 4);
    CHECK(text_columns("e\u0301") == 1);
    CHECK(text_columns("ü") == 1);
    CHECK(text_columns("🎉") == 2);
    CHECK(text_columns("ｆ") == 2);
    CHECK(text_columns("\u200b") == 0);
    CHECK(text_columns("a\tb") == 2);
    CHECK(text_columns("\xff\xfe") == 2);
  }

  TEST_CASE("the counts stand in pytest's order, unknown ones behind, and words are counted as pytest does") {
    TextReport report({});
    report.add_result(item(0, "a", {phase("call", "passed", "flaky"), phase("teardown", "failed", "error")}));
    report.add_result(item(1, "b", {phase("setup", "passed", ""), phase("call", "passed", "passed")}));
    report.add_result(item(2, "c", {phase("call", "passed", "xpassed")}));
    report.add_result(item(3, "d", {phase("call", "skipped", "xfailed")}));
    report.add_result(item(4, "e", {phase("call", "failed", "failed"), phase("teardown", "failed", "error")}));
    report.add_warning({});
    CollectedEvent collected;
    collected.deselected = 7;
    report.add_collected(collected);
    CHECK(report.counts_line(finished_after(0.005)) ==
          "1 failed, 1 passed, 7 deselected, 1 xfailed, 1 xpassed, 1 warning, 2 errors, 1 flaky in 0.01s");
  }

  TEST_CASE("nothing at all is no tests ran") {
    const TextReport report({});
    CHECK(report.counts_line(finished_after(0)) == "no tests ran in 0.00s");
  }

  TEST_CASE("durations of a minute and more are told twice") {
    const TextReport report({});
    CHECK(report.counts_line(finished_after(59.994)) == "no tests ran in 59.99s");
    CHECK(report.counts_line(finished_after(63)) == "no tests ran in 63.00s (0:01:03)");
    CHECK(report.counts_line(finished_after(36'005.5)) == "no tests ran in 36005.50s (10:00:05)");
    CHECK(report.counts_line(finished_after(86'400)) == "no tests ran in 86400.00s (1 day, 0:00:00)");
  }

  TEST_CASE("the color is that of the worst") {
    TextStyle style;
    style.color = true;
    const auto color_of = [&](const std::vector<std::string>& categories, std::int64_t not_run = 0) {
      TextReport report(style);
      for (const std::string& category : categories) report.add_result(item(0, "a", {phase("call", "passed", category)}));
      FinishedEvent finished = finished_after(1);
      finished.not_run = not_run;
      const std::string line = report.counts_line(finished);
      return line.substr(line.rfind("\x1b[", line.size() - 5) + 2, 2);
    };
    CHECK(color_of({"passed"}) == "32");
    CHECK(color_of({"passed", "failed", "xpassed"}) == "31");
    CHECK(color_of({"passed", "error"}) == "31");
    CHECK(color_of({"passed", "xpassed"}) == "33");
    CHECK(color_of({"passed", "flaky"}) == "33");
    CHECK(color_of({"skipped"}) == "33");
    CHECK(color_of({"skipped"}, 1) == "32");
    CHECK(color_of({}) == "33");
  }

  TEST_CASE("a failed item can be told alone") {
    const Recording recording = read_events(cases() / "default" / "events");
    const std::string expected = pf::test::read_file(cases() / "default" / "expected");
    const TextReport report({});
    std::size_t told = 0;
    for (const ItemResult& result : recording.results) {
      const std::string text = report.failure_text(result);
      if (text.empty()) continue;
      ++told;
      const bool both = result.nodeid.find("test_both") != std::string::npos;
      if (!both) CHECK(expected.find(text) != std::string::npos);
    }
    CHECK(told == 12);
  }

  TEST_CASE("a lost worker reads like a failure") {
    PhaseReport lost = phase("call", "failed", "failed");
    lost.headline = "test_gone";
    lost.longrepr = lost.reason = "worker 'gw0' crashed while running 'test_a.py::test_gone': killed by signal 9 (SIGKILL)";
    TextStyle style;
    style.columns = 100;
    TextReport report(style);
    report.add_result(item(0, "test_gone", {lost}));
    FinishedEvent finished = finished_after(1);
    finished.exit_code = 1;
    CHECK(report.summary(finished, "") ==
          section_line("FAILURES", '=', style) + "\n" + section_line("test_gone", '_', style) + "\n" +
          "worker 'gw0' crashed while running 'test_a.py::test_gone': killed by signal 9 (SIGKILL)\n" +
          section_line("short test summary info", '=', style) + "\n" +
          "FAILED test_a.py::test_gone - worker 'gw0' crashed while running 'test_a.py::test_gone': killed b...\n" +
          section_line("1 failed in 1.00s", '=', style) + "\n");
  }

  TEST_CASE("a run that could not be completed names what it owes") {
    TextReport report({});
    FinishedEvent finished = finished_after(1);
    finished.exit_code = 3;
    finished.reason = "the run's controller ended before its session did (exit code 1)";
    finished.not_run = 3;
    finished.not_run_nodeids = {"test_a.py::test_b", "test_a.py::test_c"};
    CHECK(report.summary(finished, "") ==
          section_line(finished.reason, '!', {}) + "\nNOT RUN test_a.py::test_b\nNOT RUN test_a.py::test_c\nNOT RUN and 1 more\n" +
          section_line("no tests ran in 1.00s", '=', {}) + "\n");
  }

  TEST_CASE("an interrupted run says so, without color") {
    TextStyle style;
    style.color = true;
    TextReport report(style);
    FinishedEvent finished = finished_after(1);
    finished.exit_code = 2;
    finished.reason = "KeyboardInterrupt";
    const std::string text = report.summary(finished, "");
    CHECK(text.starts_with("!!!!!!!!!!!!!!!!!!!!!!!!!!!!!! KeyboardInterrupt !!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!\n"));
  }

  TEST_CASE("where an interrupt hit is told below it, and how to see more unless that is all") {
    FinishedEvent finished = finished_after(1);
    finished.exit_code = 2;
    finished.reason = "KeyboardInterrupt";
    finished.reason_at = "/p/test_a.py:7: KeyboardInterrupt\n";
    TextStyle style;
    const std::string head = section_line("KeyboardInterrupt", '!', style) + "\n/p/test_a.py:7: KeyboardInterrupt\n";
    const std::string hint = "(to show a full traceback on KeyboardInterrupt use --full-trace)\n";
    const std::string end = section_line("no tests ran in 1.00s", '=', style) + "\n";
    CHECK(TextReport(style).summary(finished, "") == head + hint + end);
    style.full_trace = true;
    CHECK(TextReport(style).summary(finished, "") == head + end);
  }

  TEST_CASE("reports of collectors without a category are sorted by their outcome") {
    CollectedEvent collected;
    collected.collect_reports = {phase("collect", "failed", ""), phase("collect", "skipped", "")};
    TextReport report({});
    report.add_collected(collected);
    CHECK(report.counts_line(finished_after(1)) == "1 skipped, 1 error in 1.00s");
  }
}
