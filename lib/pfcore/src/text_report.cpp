// What is collected, and the sections with tracebacks and captured output.
#include <pfcore/text_report.hpp>

#include <algorithm>
#include <limits>

#include "text_markup.hpp"

namespace pf::core {
namespace {

// -r: a letter that stands for several begins anew, as in pytest.
std::string expand_letters(std::string_view given) {
  std::string letters;
  for (char letter : given) {
    if (letter == 'F' || letter == 'S') letter = letter == 'F' ? 'f' : 's';
    if (letter == 'a') letters = "sxXEf";
    else if (letter == 'A') letters = "PpsxXEf";
    else if (letter == 'N') letters.clear();
    else if (letters.find(letter) == std::string::npos) letters += letter;
  }
  return letters;
}

// A collector's report as pytest's own status hook names it, when the sender did not.
std::string_view category_of(const PhaseReport& report) noexcept {
  if (report.when != "collect" || !report.category.empty()) return report.category;
  return report.outcome == "failed" ? "error" : report.outcome == "skipped" ? "skipped" : "";
}

std::string_view headline_of(const PhaseReport& report) noexcept {
  return report.headline.empty() ? std::string_view("test session") : std::string_view(report.headline);
}

}  // namespace

void take_options(TextStyle& style, const TextOptions& options) {
  if (!options.known) return;
  style.color = options.color;
  style.verbosity = static_cast<int>(options.verbosity);
  style.report_chars = options.report_chars;
  style.durations = static_cast<int>(options.durations);
  style.durations_min_given = options.durations_min_s >= 0;
  style.durations_min_s = style.durations_min_given ? options.durations_min_s : TextStyle{}.durations_min_s;
  style.show_capture = options.show_capture;
  style.no_summary = options.no_summary;
  style.show_warnings = !options.disable_warnings;
  style.fold_skips = options.fold_skips;
  style.xfail_tb = options.xfail_tb;
  style.short_reasons = options.short_reasons;
  style.tb = options.tb;
  style.rootdir = options.rootdir;
  style.cwd = options.cwd;
}

TextReport::TextReport(TextStyle style) { set_style(std::move(style)); }

void TextReport::set_style(TextStyle style) {
  style_ = std::move(style);
  letters_ = expand_letters(style_.report_chars);
}

// ---------------------------------------------------------------- collecting

void TextReport::count(std::string_view category, std::size_t amount) {
  if (category.empty() || amount == 0) return;
  const auto found = std::find_if(counts_.begin(), counts_.end(), [&](const auto& entry) { return entry.first == category; });
  if (found != counts_.end()) found->second += amount;
  else counts_.emplace_back(category, amount);
}

std::size_t TextReport::counted(std::string_view category) const noexcept {
  const auto found = std::find_if(counts_.begin(), counts_.end(), [&](const auto& entry) { return entry.first == category; });
  return found == counts_.end() ? 0 : found->second;
}

bool TextReport::wants(char letter) const noexcept { return letters_.find(letter) != std::string::npos; }

void TextReport::add_collected(const CollectedEvent& event) {
  workers_ = event.workers;
  count("deselected", static_cast<std::size_t>(std::max<std::int64_t>(event.deselected, 0)));
  for (const PhaseReport& report : event.collect_reports) {
    count(category_of(report));
    collect_reports_.push_back(report);
  }
}

bool TextReport::is_notable(const ItemResult& result) const {
  return std::any_of(result.phases.begin(), result.phases.end(), [this](const PhaseReport& phase) {
    if (phase.category == "passed" && wants('p')) return true;
    if (phase.category == "passed" || phase.category.empty()) return wants('P') && !phase.sections.empty();
    return true;
  });
}

void TextReport::add_result(const ItemResult& result) {
  for (const PhaseReport& phase : result.phases) {
    items_s_ += phase.duration_s;
    count(phase.category);
    if (style_.durations >= 0) durations_.push_back({phase.duration_s, phase.when, result.nodeid});
  }
  if (!warned_items_.empty()) {
    if (const auto warned = warned_items_.find(result.nodeid); warned != warned_items_.end()) warned->second = result.item;
  }
  if (!is_notable(result)) return;
  notable_.push_back(result);
  notable_.back().opaque.clear();
}

void TextReport::add_warning(const WarningReport& warning) {
  count("warnings");
  warnings_.push_back(warning);
  warnings_.back().opaque.clear();
  if (!warning.nodeid.empty()) warned_items_.emplace(warning.nodeid, std::numeric_limits<std::uint32_t>::max());
}

// Collectors first, then items in the order of the run.
std::vector<TextReport::Entry> TextReport::entries(std::string_view category) const {
  std::vector<Entry> out;
  for (const PhaseReport& report : collect_reports_) {
    if (category_of(report) == category) out.push_back({&report, report.headline, nullptr});
  }
  const auto collectors = static_cast<std::ptrdiff_t>(out.size());
  for (const ItemResult& result : notable_) {
    for (const PhaseReport& phase : result.phases) {
      if (phase.category == category) out.push_back({&phase, result.nodeid, &result});
    }
  }
  std::stable_sort(out.begin() + collectors, out.end(), [](const Entry& a, const Entry& b) { return a.item->item < b.item->item; });
  return out;
}

// ---------------------------------------------------------------- blocks

void TextReport::put_sections(std::string& out, const Entry& entry) const {
  if (!entry.report->longrepr.empty()) out += as_lines(entry.report->longrepr);
  if (!style_.show_capture) return;
  for (const auto& [title, text] : entry.report->sections) {
    if (title.empty()) continue;   // there was some, and --show-capture hides it
    out += separator(title, '-', {}, style_);
    out += as_lines(text);
  }
}

// What the teardown of a failed item printed stands in a report of its own, which passed.
void TextReport::put_teardown_sections(std::string& out, const Entry& entry) const {
  if (!style_.show_capture || entry.item == nullptr) return;
  for (const PhaseReport& phase : entry.item->phases) {
    if (phase.when != "teardown" || !phase.category.empty()) continue;
    for (const auto& [title, text] : phase.sections) {
      if (title.find("teardown") == std::string::npos) continue;
      out += separator(title, '-', {}, style_);
      out += as_lines(text);
    }
  }
}

void TextReport::put_error(std::string& out, const Entry& entry) const {
  std::string title = entry.report->when == "collect" ? "ERROR collecting " : "ERROR at " + entry.report->when + " of ";
  title += headline_of(*entry.report);
  out += separator(title, '_', {Markup::red, Markup::bold}, style_);
  put_sections(out, entry);
}

void TextReport::put_failure(std::string& out, const Entry& entry) const {
  if (style_.tb == "line") {
    put_sections(out, entry);
    if (!entry.report->crash_line.empty()) out += as_lines(entry.report->crash_line);
    return;
  }
  out += separator(headline_of(*entry.report), '_', {Markup::red, Markup::bold}, style_);
  put_sections(out, entry);
  put_teardown_sections(out, entry);
}

std::string TextReport::failure_text(const ItemResult& result) const {
  std::string out;
  if (style_.tb == "no") return out;
  for (const PhaseReport& phase : result.phases) {
    const Entry entry{&phase, result.nodeid, &result};
    if (phase.category == "failed") put_failure(out, entry);
    else if (phase.category == "error") put_error(out, entry);
  }
  return out;
}

// ---------------------------------------------------------------- sections

void TextReport::put_errors(std::string& out) const {
  const std::vector<Entry> errors = entries("error");
  if (errors.empty() || style_.tb == "no") return;
  out += separator("ERRORS", '=', {}, style_);
  for (const Entry& entry : errors) put_error(out, entry);
}

void TextReport::put_failures(std::string& out, std::string_view category, std::string_view title) const {
  const std::vector<Entry> failures = entries(category);
  if (failures.empty() || style_.tb == "no") return;
  out += separator(title, '=', {}, style_);
  for (const Entry& entry : failures) put_failure(out, entry);
}

void TextReport::put_passes(std::string& out, std::string_view category, std::string_view title) const {
  const std::vector<Entry> passes = entries(category);
  if (counted(category) == 0 || style_.tb == "no") return;
  out += separator(title, '=', {}, style_);
  for (const Entry& entry : passes) {
    if (!entry.report->sections.empty()) {
      out += separator(headline_of(*entry.report), '_', {Markup::green, Markup::bold}, style_);
      put_sections(out, entry);
    }
    put_teardown_sections(out, entry);
  }
}

// The failures of tests that passed at a later try: they are what a flaky test has to tell.
void TextReport::put_flaky(std::string& out) const {
  const std::vector<Entry> passed = entries("flaky");
  if (passed.empty() || style_.tb == "no") return;
  out += separator("FLAKY", '=', {}, style_);
  for (const Entry& entry : entries("rerun")) {
    const bool is_flaky = std::any_of(passed.begin(), passed.end(), [&](const Entry& one) { return one.item->item == entry.item->item; });
    if (is_flaky) put_failure(out, entry);
  }
}

std::string TextReport::summary(const FinishedEvent& finished, std::string_view plugin_output) const {
  std::string out;
  if (!style_.no_summary) {
    put_errors(out);
    put_failures(out, "failed", "FAILURES");
    put_flaky(out);
    if (style_.xfail_tb) put_failures(out, "xfailed", "XFAILURES");
    put_warnings(out);
    if (wants('P')) put_passes(out, "passed", "PASSES");
    if (wants('X')) put_passes(out, "xpassed", "XPASSES");
  }
  if (!plugin_output.empty()) out += as_lines(plugin_output);
  put_durations(out);
  if (!style_.no_summary) put_short_summary(out);
  put_stop_reason(out, finished);
  put_not_run(out, finished);
  put_phases(out, finished);
  put_last_line(out, finished);
  return out;
}

}  // namespace pf::core
