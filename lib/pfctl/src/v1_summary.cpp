#include <pfctl/v1_summary.hpp>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <tuple>

#include "text.hpp"

namespace pf::ctl {
namespace {

constexpr std::size_t k_rule_columns = 66;
constexpr std::size_t k_most_slow = 10;
constexpr double k_slow_s = 1.0;
constexpr std::size_t k_most_phases = 15;
constexpr double k_least_phase_s = 0.005;
constexpr std::size_t k_most_named = 5;
constexpr int k_no_tests = 5;

[[gnu::format(printf, 1, 2)]] std::string formatted(const char* format, ...) {
  std::array<char, 256> text{};
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text.data(), text.size(), format, arguments);
  va_end(arguments);
  return text.data();
}

const std::string& rule() {
  static const std::string text = [] {
    std::string out;
    for (std::size_t i = 0; i < k_rule_columns; ++i) out += "═";
    return out;
  }();
  return text;
}

bool is_failure(std::string_view outcome) { return outcome == "failed" || outcome == "error"; }

void put_indented(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out.append("      ").append(text.substr(0, end)).append(1, '\n');
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string failure_of(const core::ItemResult& result) {
  std::string text;
  const auto put = [&](std::string_view part) { text.append(text.empty() ? "" : "\n").append(part); };
  for (const core::PhaseReport& phase : result.phases) {
    if (phase.outcome != "failed") continue;
    const std::string_view longrepr = text::trimmed(phase.longrepr);   // as pytest's own longreprtext
    if (!longrepr.empty()) put((phase.when == "call" ? "" : "[" + phase.when + "] ") + std::string(longrepr));
    for (const auto& [title, content] : phase.sections) put("----- " + title + " -----\n" + content);
  }
  return text;
}

}  // namespace

void V1Summary::add(const core::CollectedEvent& event) {
  selected_ = event.selected;
  workers_count_ = event.workers;
  for (const core::PhaseReport& report : event.collect_reports) {
    if (report.outcome == "failed") collect_errors_.push_back(report);
  }
}

void V1Summary::add(const core::ItemResult& result, std::size_t bytes) {
  Test& test = tests_.emplace_back();
  test.nodeid = result.nodeid;
  test.outcome = result.outcome;
  if (is_failure(result.outcome)) test.failure = failure_of(result);
  result_bytes_ += bytes;
  if (!result.lost.empty()) ++lost_;
  Worker& worker = workers_[result.worker];
  for (const core::PhaseReport& phase : result.phases) {
    test.duration_s += phase.duration_s;
    if (phase.start_s > 0) {
      worker.first_start_s = worker.first_start_s > 0 ? std::min(worker.first_start_s, phase.start_s) : phase.start_s;
      worker.last_end_s = std::max(worker.last_end_s, phase.start_s + phase.duration_s);
    }
    if (options_.full_report && phase.duration_s >= k_least_phase_s) phases_.push_back({phase.duration_s, phase.when, result.nodeid});
  }
  worker.busy_s += test.duration_s;
}

std::string V1Summary::text(const core::FinishedEvent& finished, const std::vector<std::string>& unknown) const {
  std::string out;
  put_head(out, finished);
  out += formatted("  bus     : 0 round-trips, %.0fKB rx\n", static_cast<double>(result_bytes_) / 1024);
  put_failures(out);
  put_expected_passes(out);
  if (options_.full_report) put_phases(out);
  else put_slowest(out);
  out += rule();
  put_end(out, finished, unknown);
  return out;
}

void V1Summary::put_head(std::string& out, const core::FinishedEvent& finished) const {
  std::map<std::string, std::size_t> counts;
  for (const Test& test : tests_) ++counts[test.outcome];
  std::string breakdown;
  for (const auto& [outcome, count] : counts) breakdown += (breakdown.empty() ? "" : ", ") + std::to_string(count) + ' ' + outcome;
  const long long workers = std::max<std::int64_t>(workers_count_, 1);
  const std::string label = finished.boot_ms > 0 ? "BOOT (collect once)" : "run #" + std::to_string(options_.run) + " (warm)";

  double busy_s = 0;
  double longest_s = 0;
  double shortest_s = 0;
  for (const auto& [name, worker] : workers_) {
    const double wall_s = worker.last_end_s - worker.first_start_s;
    busy_s += worker.busy_s;
    shortest_s = shortest_s > 0 ? std::min(shortest_s, wall_s) : wall_s;
    longest_s = std::max(longest_s, wall_s);
  }
  const double run_s = finished.run_ms / 1000;
  out.append("\n").append(rule()).append("\n");
  out += formatted("  FORKSERVER DAEMON  —  %lldw  —  %s\n", workers, label.c_str());
  out.append(rule()).append("\n");
  out.append("  results : ").append(breakdown);
  out += formatted("  (n=%zu/%lld)\n", tests_.size(), static_cast<long long>(finished.total));
  out += formatted("  warmup  : %6.2fs   (fork+spawn; ~0 for resident rerun)\n",
                   (finished.wait_ms + finished.boot_ms + finished.select_ms) / 1000);
  out += formatted("  RUN     : %6.2fs   ← wall\n", run_s);
  out += formatted("  par.    : %.2fx of %lld   (run-wall max=%.2f min=%.2f)\n", run_s > 0 ? busy_s / run_s : 0.0, workers, longest_s, shortest_s);
}

// The one place for what --detailed and --bench add to the summary, or put in its place.
void V1Summary::put_failures(std::string& out) const {
  if (!collect_errors_.empty()) out += "  COLLECTION ERRORS (" + std::to_string(collect_errors_.size()) + "):\n";
  for (const core::PhaseReport& report : collect_errors_) {
    out.append("    ✗ ").append(report.headline).append("\n");
    put_indented(out, report.longrepr);
  }
  const auto failed = std::count_if(tests_.begin(), tests_.end(), [](const Test& test) { return is_failure(test.outcome); });
  if (failed > 0) out += "  FAILURES (" + std::to_string(failed) + "):\n";
  for (const Test& test : tests_) {
    if (!is_failure(test.outcome)) continue;
    out.append("    ✗ ").append(test.nodeid).append("\n");
    put_indented(out, test.failure);
  }
}

void V1Summary::put_expected_passes(std::string& out) const {
  const auto count = std::count_if(tests_.begin(), tests_.end(), [](const Test& test) { return test.outcome == "xpassed"; });
  if (count > 0) out += "  XPASS (" + std::to_string(count) + ") — stale xfail entries (now pass, drop them):\n";
  for (const Test& test : tests_) {
    if (test.outcome == "xpassed") out.append("    ? ").append(test.nodeid).append("\n");
  }
}

void V1Summary::put_slowest(std::string& out) const {
  std::vector<const Test*> slow;
  for (const Test& test : tests_) {
    if (test.duration_s >= k_slow_s) slow.push_back(&test);
  }
  std::stable_sort(slow.begin(), slow.end(), [](const Test* a, const Test* b) { return a->duration_s > b->duration_s; });
  slow.resize(std::min(slow.size(), k_most_slow));
  if (!slow.empty()) out += "  SLOWEST (≥1s, top " + std::to_string(slow.size()) + "):\n";
  for (const Test* test : slow) out.append(formatted("    %7.2fs  ", test->duration_s)).append(test->nodeid).append("\n");
}

void V1Summary::put_phases(std::string& out) const {
  std::vector<const Phase*> longest;
  for (const Phase& phase : phases_) longest.push_back(&phase);
  const auto key = [](const Phase* phase) { return std::tie(phase->duration_s, phase->when, phase->nodeid); };
  std::sort(longest.begin(), longest.end(), [&](const Phase* a, const Phase* b) { return key(a) > key(b); });
  longest.resize(std::min(longest.size(), k_most_phases));
  if (!longest.empty()) out += "  DURATIONS (top " + std::to_string(longest.size()) + ", ≥5ms — per phase):\n";
  for (const Phase* phase : longest) {
    out.append(formatted("    %8.3fs  %-9s", phase->duration_s, phase->when.c_str())).append(phase->nodeid).append("\n");
  }
}

void V1Summary::put_end(std::string& out, const core::FinishedEvent& finished, const std::vector<std::string>& unknown) const {
  const std::string results = std::to_string(tests_.size()) + "/" + std::to_string(finished.total);
  if (lost_ > 0 || (finished.not_run > 0 && finished.exit_code > 2)) {
    out += "\n  ⚠ UNTRUSTED RUN — worker crashed / result undercount: results=" + results + " (see daemon log)";
  }
  if (!finished.reason.empty()) out += "\n  ⚠ ENDED EARLY — " + finished.reason + ": results=" + results;
  if (finished.exit_code == k_no_tests) out += "\n  ⚠ NO TESTS RAN";
  if (!unknown.empty()) {
    out += "\n  ⚠ NOT IN THIS SUITE (" + std::to_string(unknown.size()) + "):";
    for (std::size_t i = 0; i < std::min(unknown.size(), k_most_named); ++i) out += "\n    " + unknown[i];
  }
  if (!output_.empty()) out.append(1, '\n').append(output_);
}

std::string V1Summary::text(const core::ErrorEvent& error) {
  std::string out = error.output;
  if (!out.empty() && out.back() != '\n') out += '\n';
  if (!error.message.empty()) {
    out.append("pfast: error: ").append(error.code == "collection-failed" ? "" : "failed to ").append(error.message);
  }
  if (!error.hint.empty()) out.append("\n  hint: ").append(error.hint);
  return out;
}

}  // namespace pf::ctl
