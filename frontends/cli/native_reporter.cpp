#include "native_reporter.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <utility>

namespace pf::cli {
namespace {

constexpr std::string_view k_red = "\x1b[31m";
constexpr std::string_view k_green = "\x1b[32m";
constexpr std::string_view k_yellow = "\x1b[33m";
constexpr std::string_view k_bold = "\x1b[1m";
constexpr std::string_view k_plain = "\x1b[0m";
constexpr std::string_view k_between = " · ";

bool is_failure(const core::PhaseReport& phase) { return phase.category == "failed" || phase.category == "error"; }

// As pytest's terminal reporter colours a report that brings no markup of its own.
std::string_view color_of(const core::PhaseReport& phase) {
  if (phase.outcome == "failed" || is_failure(phase)) return k_red;
  return phase.outcome == "passed" && !phase.wasxfail ? k_green : k_yellow;
}

std::string first_line(std::string_view text) { return std::string(text.substr(0, text.find('\n'))); }

std::string counted(std::int64_t count, std::string_view word) {
  return std::to_string(count) + ' ' + std::string(word) + (count == 1 ? "" : "s");
}

// What an item took up to the end of one of its phases.
double seconds_until(const core::ItemResult& result, const core::PhaseReport& last) {
  double seconds = 0;
  for (const core::PhaseReport& phase : result.phases) {
    seconds += phase.duration_s;
    if (&phase == &last) break;
  }
  return seconds;
}

// _pytest.terminal._format_trimmed; empty when not even the dots fit.
std::string trimmed(std::string_view before, const std::string& text, std::string_view after, std::size_t columns) {
  constexpr std::string_view k_dots = "...";
  const std::size_t fixed = before.size() + after.size();
  if (text.empty() || fixed + k_dots.size() > columns) return {};
  std::string shown = text;
  if (fixed + core::text_columns(text) > columns) {
    shown = fitting(text, static_cast<int>(columns - fixed - k_dots.size())) + std::string(k_dots);
  }
  return std::string(before) + shown + std::string(after);
}

}  // namespace

NativeReporter::NativeReporter(Setup setup)
    : setup_(std::move(setup)),
      report_(setup_.args.style),
      line_(setup_.out, setup_.live),
      columns_(setup_.args.style.columns),
      verbosity_(setup_.args.verbosity),
      progress_style_(setup_.args.captures ? "progress" : ""),
      started_(std::chrono::steady_clock::now()) {
  report_.note_connect(setup_.connect_ms);
}

std::string NativeReporter::painted(std::string_view text, std::string_view color) const {
  if (!setup_.args.style.color || color.empty()) return std::string(text);
  return std::string(color).append(text).append(k_plain);
}

// As pytest's cwd_relative_nodeid.
std::string NativeReporter::shown_nodeid(std::string_view nodeid) const {
  const core::TextStyle& style = setup_.args.style;
  if (style.rootdir == style.cwd || style.rootdir.empty() || style.cwd.empty()) return std::string(nodeid);
  const std::size_t end = std::min(nodeid.find("::"), nodeid.size());
  const std::filesystem::path path = std::filesystem::path(style.rootdir) / nodeid.substr(0, end);
  return path.lexically_normal().lexically_relative(style.cwd).string().append(nodeid.substr(end));
}

std::string_view NativeReporter::main_color() const {
  if (any_failed_) return k_red;
  if (any_odd_) return k_yellow;
  return any_passed_ || done_ < total_ ? k_green : k_yellow;
}

void NativeReporter::note_category(const core::PhaseReport& phase) {
  constexpr std::array<std::string_view, 7> k_ordinary{"", "passed", "failed", "error", "skipped", "xfailed", "deselected"};
  any_failed_ = any_failed_ || is_failure(phase);
  any_passed_ = any_passed_ || phase.category == "passed";
  any_odd_ = any_odd_ || std::find(k_ordinary.begin(), k_ordinary.end(), phase.category) == k_ordinary.end();
}

// ---------------------------------------------------------------- events

void NativeReporter::phase(const core::PhaseEvent& event) {
  const std::string why = event.detail.empty() ? "" : " (" + event.detail + ")";
  if (event.name == "boot") doing_ = "collecting …" + why;
  else if (event.name == "wait") doing_ = "waiting …" + why;
  else if (event.name == "select") doing_ = "selecting …" + why;
  else doing_.clear();
}

// What the session made of the command line, PYTEST_ADDOPTS and the ini file goes before what was read here.
void NativeReporter::take_options(const core::TextOptions& options) {
  if (!options.known) return;
  core::take_options(setup_.args.style, options);
  report_.set_style(setup_.args.style);
  setup_.args.verbosity = static_cast<int>(options.verbosity);
  setup_.args.no_header = options.no_header;
  verbosity_ = static_cast<int>(options.verbosity_test_cases);
  progress_style_ = options.progress;
  if (!options.captures) line_.close();
}

void NativeReporter::collected(const core::CollectedEvent& event) {
  take_options(event.text);
  report_.add_collected(event);
  any_failed_ = any_failed_ || event.errors > 0;
  total_ = static_cast<std::size_t>(std::max<std::int64_t>(event.selected, 0));
  doing_.clear();
  if (setup_.mute || setup_.args.verbosity < 0 || setup_.args.no_header) return;
  std::string text = setup_.title;
  if (event.workers > 0) text.append(k_between).append(counted(event.workers, "worker"));
  text.append(k_between).append(counted(event.selected, "test"));
  if (event.deselected > 0) text += " (" + std::to_string(event.deselected) + " deselected)";
  line_.print(text + "\n");
}

void NativeReporter::warning(const core::WarningReport& warning) {
  any_odd_ = true;
  report_.add_warning(warning);
}

void NativeReporter::output(const core::OutputEvent& event) {
  constexpr std::int64_t k_stderr = 2;
  if (event.stream != k_stderr) {
    plugin_output_ += event.data;
    return;
  }
  line_.clear();
  write_to(k_stderr, event.data);
}

void NativeReporter::result(const core::ItemResult& result) {
  if (result.outcome != "rerun") ++done_;             // a try that another one follows is not the item's end
  if (result.outcome == "failed" || result.outcome == "error") ++failed_;
  report_.add_result(result);
  if (setup_.mute) return;
  for (const core::PhaseReport& phase : result.phases) {
    note_category(phase);
    if (phase.letter.empty() && phase.word.empty()) continue;
    if (verbosity_ > 0) put_line(result, phase);
    else if (!line_.enabled()) put_letter(phase);
    else if (is_failure(phase)) put_failure(result, phase);
  }
}

void NativeReporter::finished(const core::FinishedEvent& event) {
  line_.close();
  end_letters();
  if (!event.text_shown && !setup_.mute) write_to(setup_.out, report_.summary(event, plugin_output_));
}

std::string NativeReporter::broken_off() {
  line_.close();
  if (column_ > 0) write_to(setup_.out, "\n");
  column_ = 0;
  if (total_ == 0) return "before any test was run";
  std::string text = "after " + std::to_string(done_) + " of " + counted(static_cast<std::int64_t>(total_), "test");
  for (const auto& [worker, nodeid] : progress_.running) text += (text.find("running") == text.npos ? "; last seen running: " : ", ") + nodeid;
  return text;
}

// ---------------------------------------------------------------- lines and letters

std::string NativeReporter::percent() const {
  std::array<char, 64> text{};
  if (progress_style_ == "count") {
    const int digits = static_cast<int>(std::to_string(total_).size());
    std::snprintf(text.data(), text.size(), " [%*zu/%zu]", digits, done_, total_);
  } else {
    std::snprintf(text.data(), text.size(), " [%3zu%%]", total_ == 0 ? std::size_t{100} : done_ * 100 / total_);
  }
  return text.data();
}

// The most that percent() takes.
std::size_t NativeReporter::percent_columns() const {
  constexpr std::string_view k_most = " [100%]";
  return progress_style_ == "count" ? 4 + 2 * std::to_string(total_).size() : k_most.size();
}

// `text` at the right edge of a line of which `used` columns are taken.
std::string NativeReporter::end_of_line(std::string_view text, std::size_t used) const {
  const std::size_t taken = used + text.size() + 1;
  const std::size_t fill = static_cast<std::size_t>(columns_) > taken ? static_cast<std::size_t>(columns_) - taken : 0;
  return painted(std::string(fill, ' ').append(text), main_color());
}

// The end of a line of letters is pytest's: as soon as " [100%]" would come to the edge.
void NativeReporter::put_letter(const core::PhaseReport& phase) {
  std::string text = painted(phase.letter, color_of(phase));
  column_ += core::text_columns(phase.letter);
  const bool at_edge = column_ + percent_columns() + 1 >= static_cast<std::size_t>(columns_);
  if (at_edge && !progress_style_.empty() && done_ < total_) {
    text += painted(percent() + "\n", main_color());
    column_ = 0;
  }
  line_.print(text);
}

void NativeReporter::end_letters() {
  if (column_ == 0) return;
  write_to(setup_.out, (progress_style_.empty() ? std::string() : end_of_line(percent(), column_)) + "\n");
  column_ = 0;
}

// "test_a.py::test_b SKIPPED (why)      [ 42%]"
void NativeReporter::put_line(const core::ItemResult& result, const core::PhaseReport& phase) {
  const std::string name = shown_nodeid(result.nodeid) + ' ';
  std::size_t used = core::text_columns(name) + core::text_columns(phase.word);
  std::string text = name + painted(phase.word, color_of(phase));
  if (phase.outcome == "skipped" || phase.wasxfail) {
    constexpr std::size_t k_kept_free = 8;            // for " [100%]", whatever the style
    const std::string line = first_line(phase.reason);
    const std::size_t taken = used + k_kept_free;
    const std::size_t room = static_cast<std::size_t>(columns_) > taken ? static_cast<std::size_t>(columns_) - taken : 0;
    const std::string reason = verbosity_ >= 2 && !line.empty() ? " (" + phase.reason + ")" : trimmed(" (", line, ")", room);
    used += core::text_columns(reason);
    text += reason;
  }
  if (progress_style_ == "times") text += end_of_line(' ' + core::node_duration(seconds_until(result, phase)), used);
  else if (!progress_style_.empty()) text += end_of_line(percent(), used);
  line_.print(text + "\n");
}

void NativeReporter::put_failure(const core::ItemResult& result, const core::PhaseReport& phase) {
  const std::string_view word = phase.category == "error" ? "ERROR" : "FAILED";
  const std::string nodeid = shown_nodeid(result.nodeid);
  const std::size_t names = std::min(nodeid.find("::"), nodeid.size());
  std::string text = painted(word, k_red) + ' ' + nodeid.substr(0, names);
  if (names < nodeid.size()) text += "::" + painted(std::string_view(nodeid).substr(names + 2), k_bold);
  const std::size_t used = word.size() + 1 + core::text_columns(nodeid);
  const std::size_t room = static_cast<std::size_t>(columns_) > used ? static_cast<std::size_t>(columns_) - used : 0;
  text += trimmed(" - ", first_line(phase.reason.empty() ? result.lost : phase.reason), "", room);
  line_.print(text + "\n");
}

// ---------------------------------------------------------------- the live line

std::string NativeReporter::live_text() const {
  const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
  std::array<char, 32> seconds{};
  std::snprintf(seconds.data(), seconds.size(), "%.1fs", elapsed);
  const std::string label = setup_.label.empty() ? std::string() : setup_.label + std::string(k_between);
  if (!doing_.empty()) return label + doing_ + std::string(k_between) + seconds.data();
  if (total_ == 0) return {};
  std::string text = label + std::to_string(done_) + '/' + std::to_string(total_);
  if (failed_ > 0) text.append(k_between).append(std::to_string(failed_)).append(" failed");
  text.append(k_between).append(seconds.data());
  for (const auto& [worker, nodeid] : progress_.running) text.append(k_between).append(shown_nodeid(nodeid));
  return text;
}

void NativeReporter::tick() {
  line_.flush();
  if (!line_.enabled() || line_.due_in().count() > 0) return;
  if (const std::string text = live_text(); !text.empty()) line_.show(text, columns_);
}

std::optional<std::chrono::milliseconds> NativeReporter::next_tick() const {
  if (!line_.enabled()) return std::nullopt;
  // With nothing to show the clock stands still: look again an interval later.
  return line_.due_in().count() > 0 ? line_.due_in() : LiveLine::k_interval;
}

}  // namespace pf::cli
