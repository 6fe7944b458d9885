// The short test summary info: a line per report, as -r asks for them.
#include <algorithm>
#include <optional>

#include <pfcore/text_report.hpp>

#include "display_width.hpp"
#include "text_markup.hpp"

namespace pf::core {
namespace {

constexpr std::string_view k_ellipsis = "...";
constexpr std::string_view k_dash = " - ";

std::string_view first_line(std::string_view text) { return text.substr(0, text.find('\n')); }

// pytest's arithmetic, its quirk included: text with control characters in it measures -1 columns.
std::ptrdiff_t measured(std::string_view text) {
  const std::optional<std::size_t> columns = display_columns(text);
  return columns ? static_cast<std::ptrdiff_t>(*columns) : -1;
}

// " - reason" in `room` columns; empty when not even the ellipsis fits.
std::string fitted_reason(std::string_view reason, std::ptrdiff_t room) {
  reason = first_line(reason);
  const auto dash = static_cast<std::ptrdiff_t>(k_dash.size());
  const auto ellipsis = static_cast<std::ptrdiff_t>(k_ellipsis.size());
  if (dash + ellipsis > room) return {};
  if (dash + measured(reason) <= room) return std::string(k_dash) + std::string(reason);
  room -= ellipsis;
  std::size_t count = std::min(code_points(reason), static_cast<std::size_t>(room));
  while (dash + measured(first_code_points(reason, count)) > room) --count;
  return std::string(k_dash) + std::string(first_code_points(reason, count)) + std::string(k_ellipsis);
}

Markup color_of(std::string_view category) {
  if (category == "failed" || category == "error") return Markup::red;
  return category == "passed" ? Markup::green : Markup::yellow;
}

// What the status hook called it, or its usual name.
std::string word_of(const PhaseReport& report, std::string_view usual) { return report.word.empty() ? std::string(usual) : report.word; }

std::string skip_reason(const PhaseReport& report) { return report.reason.empty() ? "Skipped" : report.reason; }

}  // namespace

void TextReport::put_trimmed_lines(std::string& lines, std::string_view category) const {
  for (const Entry& entry : entries(category)) {
    const std::string_view usual = category == "failed" ? "FAILED" : category == "error" ? "ERROR" : category == "flaky" ? "FLAKY" : "PASSED";
    std::string line = marked(word_of(*entry.report, usual), {color_of(category)}, style_) + " " + shown_nodeid(entry.nodeid, style_);
    const std::string& reason = entry.report->reason;
    if (!reason.empty()) {
      const bool whole = (style_.full_reasons || style_.verbosity >= 2) && !style_.short_reasons;
      line += whole ? std::string(k_dash) + reason : fitted_reason(reason, style_.columns - measured(line));
    }
    lines += line + "\n";
  }
}

void TextReport::put_xfailed_lines(std::string& lines) const {
  for (const Entry& entry : entries("xfailed")) {
    lines += marked(word_of(*entry.report, "XFAIL"), {Markup::yellow}, style_) + " ";
    if (entry.report->when != "call") lines += "at " + entry.report->when + " of ";
    lines += shown_nodeid(entry.nodeid, style_);
    if (!entry.report->reason.empty()) lines += std::string(k_dash) + entry.report->reason;
    lines += "\n";
  }
}

void TextReport::put_xpassed_lines(std::string& lines) const {
  for (const Entry& entry : entries("xpassed")) {
    lines += marked(word_of(*entry.report, "XPASS"), {Markup::yellow}, style_) + " " + shown_nodeid(entry.nodeid, style_);
    if (!entry.report->reason.empty()) lines += std::string(k_dash) + entry.report->reason;
    lines += "\n";
  }
}

void TextReport::put_folded_skips(std::string& lines, const std::vector<Entry>& skipped) const {
  struct Fold {
    std::string text;   // "path:line: reason"
    std::size_t count;
  };
  std::vector<Fold> folds;
  std::unordered_map<std::string, std::size_t> index;
  for (const Entry& entry : skipped) {
    std::string text = entry.report->location + ": " + skip_reason(*entry.report);
    const auto [found, is_new] = index.emplace(text, folds.size());
    if (is_new) folds.push_back({std::move(text), 0});
    ++folds[found->second].count;
  }
  const std::string word = marked(word_of(*skipped.front().report, "SKIPPED"), {Markup::yellow}, style_);
  for (const Fold& fold : folds) lines += word + " [" + std::to_string(fold.count) + "] " + fold.text + "\n";
}

void TextReport::put_skipped_lines(std::string& lines) const {
  const std::vector<Entry> skipped = entries("skipped");
  if (skipped.empty()) return;
  if (style_.fold_skips) {
    put_folded_skips(lines, skipped);
    return;
  }
  for (const Entry& entry : skipped) {
    lines += marked(word_of(*entry.report, "SKIPPED"), {Markup::yellow}, style_) + " " + shown_nodeid(entry.nodeid, style_);
    lines += std::string(k_dash) + (entry.report->reason.empty() ? "Skipped" : "Skipped: " + entry.report->reason) + "\n";
  }
}

void TextReport::put_short_summary(std::string& out) const {
  std::string lines;
  for (const char letter : letters_) {
    switch (letter) {
      case 'x': put_xfailed_lines(lines); break;
      case 'X': put_xpassed_lines(lines); break;
      case 'f': put_trimmed_lines(lines, "failed"); break;
      case 's': put_skipped_lines(lines); break;
      case 'p': put_trimmed_lines(lines, "passed"); break;
      case 'E': put_trimmed_lines(lines, "error"); break;
      default: break;   // "P" has a section of its own, "w" too
    }
  }
  if (wants('f')) put_trimmed_lines(lines, "flaky");
  if (lines.empty()) return;
  out += separator("short test summary info", '=', {Markup::cyan, Markup::bold}, style_);
  out += lines;
}

}  // namespace pf::core
