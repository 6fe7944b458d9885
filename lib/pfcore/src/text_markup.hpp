// Lines and colours as pytest's TerminalWriter makes them.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include <pfcore/text_report.hpp>

namespace pf::core {

// The numbers are those of ANSI's "select graphic rendition".
enum class Markup : int { bold = 1, red = 31, green = 32, yellow = 33, cyan = 36 };

// The text in these renditions, in this order; as it is when the style has no color.
[[nodiscard]] std::string marked(std::string_view text, std::initializer_list<Markup> markup, const TextStyle& style);

// section_line in these renditions, with its line break.
[[nodiscard]] std::string separator(std::string_view title, char fill, std::initializer_list<Markup> markup, const TextStyle& style);

// A node id as pytest's summaries print it: relative to the client's directory, bold behind the file.
[[nodiscard]] std::string shown_nodeid(std::string_view nodeid, const TextStyle& style);

// "text\n", without a second line break when the text ends in one.
[[nodiscard]] std::string as_lines(std::string_view text);

// "0.12s", "63.00s (0:01:03)".
[[nodiscard]] std::string session_duration(double seconds);

// printf to a string, for the few numbers that need a format. Not for text.
[[nodiscard]] std::string format_number(const char* format, double number);

}  // namespace pf::core
