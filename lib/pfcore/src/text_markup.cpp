#include "text_markup.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "display_width.hpp"

namespace pf::core {

std::string marked(std::string_view text, std::initializer_list<Markup> markup, const TextStyle& style) {
  if (!style.color || markup.size() == 0) return std::string(text);
  std::string out;
  for (const Markup one : markup) out += "\x1b[" + std::to_string(static_cast<int>(one)) + "m";
  out += text;
  out += "\x1b[0m";
  return out;
}

// As long as it can be without passing the width, with one fill at least on each side; one more fits on the right when
// the title's length is odd. The title is measured in code points, as pytest does, not in columns.
std::string section_line(std::string_view title, char fill, const TextStyle& style) {
  const std::size_t width = static_cast<std::size_t>(std::max(style.columns, 0));
  if (title.empty()) return std::string(width, fill);
  const std::size_t taken = code_points(title) + 2;
  const std::size_t each = std::max<std::size_t>(width > taken ? (width - taken) / 2 : 0, 1);
  std::string line(each, fill);
  line += ' ';
  line += title;
  line += ' ';
  line.append(each, fill);
  if (taken + 2 * each + 1 <= width) line += fill;
  return line;
}

std::string separator(std::string_view title, char fill, std::initializer_list<Markup> markup, const TextStyle& style) {
  return marked(section_line(title, fill, style), markup, style) + "\n";
}

std::string shown_nodeid(std::string_view nodeid, const TextStyle& style) {
  const std::size_t separator_at = nodeid.find("::");
  std::string path(nodeid.substr(0, separator_at));
  if (style.rootdir != style.cwd && !style.rootdir.empty() && !style.cwd.empty()) {
    path = (std::filesystem::path(style.rootdir) / path).lexically_normal().lexically_relative(style.cwd).string();
  }
  if (separator_at == std::string_view::npos) return path;
  return path + "::" + marked(nodeid.substr(separator_at + 2), {Markup::bold}, style);
}

std::string as_lines(std::string_view text) {
  std::string out(text);
  if (out.empty() || out.back() != '\n') out += '\n';
  return out;
}

std::string format_number(const char* format, double number) {
  char text[64];
  const int length = std::snprintf(text, sizeof text, format, number);
  return std::string(text, static_cast<std::size_t>(std::clamp(length, 0, static_cast<int>(sizeof text) - 1)));
}

// _pytest.terminal.format_node_duration: the unit is that of the rounded value.
std::string node_duration(double seconds) {
  struct TimeUnit {
    double scale;
    const char* format;
    double limit;
  };
  constexpr TimeUnit k_units[] = {{1e6, "%.3fus", 10},  {1e6, "%.2fus", 100},  {1e6, "%.1fus", 1000}, {1e3, "%.3fms", 10},
                              {1e3, "%.2fms", 100}, {1e3, "%.1fms", 1000}, {1, "%.3fs", 60}};
  for (const TimeUnit& unit : k_units) {
    std::string text = format_number(unit.format, seconds * unit.scale);
    if (std::strtod(text.c_str(), nullptr) < unit.limit) return text;
  }
  if (!(seconds < 1e15)) return format_number("%gs", seconds);
  const long long whole = std::llround(seconds);
  if (whole < 3600) return std::to_string(whole / 60) + "m " + std::to_string(whole % 60) + "s";
  return std::to_string(whole / 3600) + "h " + std::to_string(whole % 3600 / 60) + "m";
}

std::string session_duration(double seconds) {
  std::string out = format_number("%.2fs", seconds);
  if (seconds < 60 || !(seconds < 1e15)) return out;
  const auto whole = static_cast<long long>(seconds);
  const long long days = whole / 86'400;
  if (days > 0) out += " (" + std::to_string(days) + (days == 1 ? " day, " : " days, ");
  else out += " (";
  char clock[32];
  std::snprintf(clock, sizeof clock, "%lld:%02lld:%02lld)", whole / 3600 % 24, whole / 60 % 60, whole % 60);
  return out + clock;
}

}  // namespace pf::core
