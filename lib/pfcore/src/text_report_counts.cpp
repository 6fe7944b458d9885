// The end of the report: why the run stopped, and the line with the counts.
#include <algorithm>
#include <array>

#include <pfcore/text_report.hpp>

#include "text_markup.hpp"

namespace pf::core {
namespace {

constexpr std::array<std::string_view, 11> k_known{
    "failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "warnings", "error",
    "subtests passed", "subtests failed", "subtests skipped"};

constexpr std::int64_t k_code_interrupted = 2;
constexpr std::int64_t k_code_internal_error = 3;

bool is_known(std::string_view category) noexcept { return std::find(k_known.begin(), k_known.end(), category) != k_known.end(); }

Markup color_of(std::string_view category) noexcept {
  if (category == "failed" || category == "error" || category == "subtests failed") return Markup::red;
  return category == "passed" || category == "subtests passed" ? Markup::green : Markup::yellow;
}

std::string counted_word(std::size_t count, std::string_view category) {
  std::string word(category);
  if (category == "warnings" && count == 1) word = "warning";
  else if (category == "error" && count != 1) word = "errors";
  return std::to_string(count) + " " + word;
}

using Counts = std::vector<std::pair<std::string, std::size_t>>;

bool any_of(const Counts& counts, std::initializer_list<std::string_view> categories) {
  return std::any_of(counts.begin(), counts.end(), [&](const auto& entry) {
    return std::find(categories.begin(), categories.end(), entry.first) != categories.end();
  });
}

Markup main_color(const Counts& counts, bool all_ran) {
  if (any_of(counts, {"failed", "error"})) return Markup::red;
  const bool unknown = std::any_of(counts.begin(), counts.end(), [](const auto& entry) { return !is_known(entry.first); });
  if (unknown || any_of(counts, {"warnings", "xpassed"})) return Markup::yellow;
  return any_of(counts, {"passed"}) || !all_ran ? Markup::green : Markup::yellow;
}

// pytest's order: the words it knows, then the others as they appeared.
Counts in_print_order(const Counts& counts) {
  Counts ordered;
  for (const std::string_view category : k_known) {
    const auto found = std::find_if(counts.begin(), counts.end(), [&](const auto& entry) { return entry.first == category; });
    if (found != counts.end()) ordered.push_back(*found);
  }
  std::copy_if(counts.begin(), counts.end(), std::back_inserter(ordered), [](const auto& entry) { return !is_known(entry.first); });
  return ordered;
}

}  // namespace

std::string TextReport::counts_line(const FinishedEvent& finished) const {
  const Markup main = main_color(counts_, finished.not_run == 0);
  std::string line;
  for (const auto& [category, count] : in_print_order(counts_)) {
    if (!line.empty()) line += ", ";
    const Markup color = color_of(category);
    const std::string text = counted_word(count, category);
    line += color == main ? marked(text, {color, Markup::bold}, style_) : marked(text, {color}, style_);
  }
  if (line.empty()) line = marked("no tests ran", {Markup::yellow}, style_);
  return line + marked(" in " + session_duration(finished.duration_s), {main}, style_);
}

void TextReport::put_last_line(std::string& out, const FinishedEvent& finished) const {
  if (style_.verbosity < -1) return;
  const Markup main = main_color(counts_, finished.not_run == 0);
  std::string line = counts_line(finished);
  if (style_.verbosity < 0) {
    out += marked(line, {main}, style_) + "\n";
    return;
  }
  if (!style_.color) {
    out += separator(line, '=', {}, style_);
    return;
  }
  // The escape sequences of the title take no columns, and the bar behind it needs its color again.
  TextStyle plain = style_;
  plain.color = false;
  TextReport uncolored(plain);
  uncolored.counts_ = counts_;
  const std::string bare = uncolored.counts_line(finished);
  const std::string bars = section_line(bare, '=', style_);
  const std::size_t at = bars.find(bare);
  line += "\x1b[" + std::to_string(static_cast<int>(main)) + "m";
  out += marked(bars.substr(0, at) + line + bars.substr(at + bare.size()), {main}, style_) + "\n";
}

// A run that was interrupted says so without color, one that stopped by itself in red.
void TextReport::put_stop_reason(std::string& out, const FinishedEvent& finished) const {
  if (finished.reason.empty()) return;
  if (finished.exit_code == k_code_interrupted) out += separator(finished.reason, '!', {}, style_);
  else out += separator(finished.reason, '!', {Markup::red}, style_);
  if (finished.reason_at.empty()) return;
  out += as_lines(finished.reason_at);
  if (!style_.full_trace) out += marked("(to show a full traceback on KeyboardInterrupt use --full-trace)", {Markup::yellow}, style_) + "\n";
}

std::string TextReport::phases_line(const FinishedEvent& finished) const {
  std::string line;
  const auto put = [&line](std::string_view name, double ms) {
    if (!line.empty()) line += " · ";
    line += std::string(name) + format_number(ms < 9.95 ? " %.1f ms" : " %.0f ms", ms);
  };
  put("connect", std::max(connect_ms_, 0.0));
  if (finished.wait_ms >= 1) put("wait", finished.wait_ms);
  put("boot", finished.boot_ms);
  put("select", finished.select_ms);
  put("run", finished.run_ms);
  if (items_s_ <= 0 || finished.run_ms <= 0) return line;
  line += format_number(" · parallelism %.2f", items_s_ * 1000 / finished.run_ms);
  if (workers_ > 0) line += " of " + std::to_string(workers_) + (workers_ == 1 ? " worker" : " workers");
  return line;
}

// Not pytest's: where the time went before there was a test to run, and what the workers made of the rest.
void TextReport::put_phases(std::string& out, const FinishedEvent& finished) const {
  if (connect_ms_ < 0 || style_.verbosity < 0) return;
  out += phases_line(finished) + "\n";
}

// Not pytest's: its items cannot get lost without its own end. A red run names what it owes.
void TextReport::put_not_run(std::string& out, const FinishedEvent& finished) const {
  if (finished.not_run <= 0 || finished.exit_code < k_code_internal_error) return;
  for (const std::string& nodeid : finished.not_run_nodeids) {
    out += marked("NOT RUN", {Markup::red}, style_) + " " + shown_nodeid(nodeid, style_) + "\n";
  }
  const std::int64_t more = finished.not_run - static_cast<std::int64_t>(finished.not_run_nodeids.size());
  if (more > 0) out += marked("NOT RUN", {Markup::red}, style_) + " and " + std::to_string(more) + " more\n";
}

}  // namespace pf::core
