#include "report_lines.hpp"

#include <pfcore/metrics.hpp>

#include "text_markup.hpp"

namespace pf::core {
namespace {

constexpr std::size_t k_label_columns = 13;

}  // namespace

std::string seconds_text(std::chrono::nanoseconds duration) { return format_number("%.3f s", to_seconds(duration)); }

std::string seconds_cell(std::chrono::nanoseconds duration, std::size_t columns) {
  return aligned_right(format_number("%.3f", to_seconds(duration)), columns);
}

std::string percent_text(double share) { return format_number("%.0f %%", share * 100); }

std::string counted_text(std::size_t count, std::string_view noun) {
  return std::to_string(count) + ' ' + std::string(noun) + (count == 1 ? "" : "s");
}

std::string aligned_right(std::string text, std::size_t columns) {
  if (text.size() < columns) text.insert(0, columns - text.size(), ' ');
  return text;
}

void put_labelled(std::string& out, std::string_view label, std::string_view text) {
  out += label;
  out.append(label.size() < k_label_columns ? k_label_columns - label.size() : 1, ' ');
  out += text;
  out += '\n';
}

}  // namespace pf::core
