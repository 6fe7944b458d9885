// Lists that are neither failures nor the short summary: warnings and durations.
#include <algorithm>

#include <pfcore/text_report.hpp>

#include "text_markup.hpp"

namespace pf::core {
namespace {

constexpr std::size_t k_named_locations = 10;   // from this many on, warnings are counted per file
constexpr std::string_view k_docs = "-- Docs: https://docs.pytest.org/en/stable/how-to/capture-warnings.html\n";

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find_first_of("\n\r\v\f");
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(text.substr(end, 2) == "\r\n" ? end + 2 : end + 1);
  }
  return lines;
}

void trim_end(std::string& text) {
  const std::size_t last = text.find_last_not_of(" \t\n\r\v\f");
  text.resize(last == std::string::npos ? 0 : last + 1);
}

struct WarningGroup {
  std::string_view message;
  std::vector<std::string_view> locations;
};

std::string files_with_counts(const std::vector<std::string_view>& locations) {
  std::vector<std::pair<std::string_view, std::size_t>> files;
  for (const std::string_view location : locations) {
    const std::string_view file = location.substr(0, location.find("::"));
    const auto found = std::find_if(files.begin(), files.end(), [&](const auto& entry) { return entry.first == file; });
    if (found != files.end()) ++found->second;
    else files.emplace_back(file, 1);
  }
  std::string out;
  for (const auto& [file, count] : files) {
    out += std::string(file) + ": " + std::to_string(count) + (count > 1 ? " warnings\n" : " warning\n");
  }
  return out;
}

void put_group(std::string& out, const WarningGroup& group) {
  std::string message;
  if (group.locations.empty()) {
    message = group.message;
  } else {
    if (group.locations.size() < k_named_locations) {
      for (const std::string_view location : group.locations) out += std::string(location) + "\n";
    } else {
      out += files_with_counts(group.locations);
    }
    for (const std::string_view line : split_lines(group.message)) message += "  " + std::string(line) + "\n";
  }
  trim_end(message);
  out += message + "\n\n";
}

}  // namespace

void TextReport::put_warnings(std::string& out) const {
  if (!style_.show_warnings || warnings_.empty()) return;
  // Collection's come first, then the items' in the order of the run, whichever worker was faster.
  const auto place = [this](const WarningReport* warning) -> std::uint64_t {
    const auto found = warned_items_.find(warning->nodeid);
    return warning->when != "runtest" || found == warned_items_.end() ? 0 : std::uint64_t{found->second} + 1;
  };
  std::vector<const WarningReport*> ordered;
  for (const WarningReport& warning : warnings_) ordered.push_back(&warning);
  std::stable_sort(ordered.begin(), ordered.end(), [&](const auto* a, const auto* b) { return place(a) < place(b); });

  std::vector<WarningGroup> groups;
  std::unordered_map<std::string_view, std::size_t> index;
  for (const WarningReport* warning : ordered) {
    const auto [found, is_new] = index.emplace(warning->message, groups.size());
    if (is_new) groups.push_back({warning->message, {}});
    const std::string& location = warning->location.empty() ? warning->nodeid : warning->location;
    if (!location.empty()) groups[found->second].locations.push_back(location);
  }
  out += separator("warnings summary", '=', {Markup::yellow}, style_);
  for (const WarningGroup& group : groups) put_group(out, group);
  out += k_docs;
}

void TextReport::put_durations(std::string& out) const {
  if (style_.durations < 0 || durations_.empty()) return;
  std::vector<const Duration*> slowest;
  for (const Duration& duration : durations_) slowest.push_back(&duration);
  std::stable_sort(slowest.begin(), slowest.end(), [](const auto* a, const auto* b) { return a->seconds > b->seconds; });
  const auto asked = static_cast<std::size_t>(style_.durations);
  if (asked > 0 && slowest.size() > asked) slowest.resize(asked);
  out += separator(asked > 0 ? "slowest " + std::to_string(asked) + " durations" : "slowest durations", '=', {}, style_);
  const double least = style_.durations_min_given || style_.verbosity < 2 ? style_.durations_min_s : 0.0;
  for (std::size_t i = 0; i < slowest.size(); ++i) {
    if (slowest[i]->seconds < least) {
      out += "\n(" + std::to_string(slowest.size() - i) + " durations < " + format_number("%g", least) + "s hidden.";
      if (!style_.durations_min_given) out += "  Use -vv to show these durations.";
      out += ")\n";
      break;
    }
    std::string when = slowest[i]->when;
    if (when.size() < 8) when.append(8 - when.size(), ' ');
    out += format_number("%.2fs ", slowest[i]->seconds) + when + " " + slowest[i]->nodeid + "\n";
  }
}

}  // namespace pf::core
