#include "display_width.hpp"

#include <algorithm>
#include <iterator>

#include <pfcore/text_report.hpp>

#include "display_width_table.hpp"
#include "utf8.hpp"

namespace pf::core {
namespace {

template <std::size_t N>
bool contains(const CodeRange (&ranges)[N], std::uint32_t code) noexcept {
  const auto* after = std::upper_bound(std::begin(ranges), std::end(ranges), code,
                                       [](std::uint32_t wanted, const CodeRange& range) { return wanted < range.first; });
  return after != std::begin(ranges) && code <= (after - 1)->last;
}

bool is_control(std::uint32_t code) noexcept { return (code < 0x20 && code != 0) || (code >= 0x7F && code < 0xA0); }

std::size_t columns_of(std::uint32_t code) noexcept {
  if (code >= 0x20 && code < 0x7F) return 1;
  if (code == 0 || contains(k_zero_width, code)) return 0;
  return contains(k_double_width, code) ? 2 : 1;
}

}  // namespace

std::size_t code_points(std::string_view utf8) noexcept {
  std::size_t count = 0;
  for (; !utf8.empty(); ++count) utf8.remove_prefix(utf8_step(utf8).bytes);
  return count;
}

std::string_view first_code_points(std::string_view utf8, std::size_t count) noexcept {
  std::size_t bytes = 0;
  for (; count > 0 && bytes < utf8.size(); --count) bytes += utf8_step(utf8.substr(bytes)).bytes;
  return utf8.substr(0, bytes);
}

std::optional<std::size_t> display_columns(std::string_view utf8) noexcept {
  std::size_t columns = 0;
  while (!utf8.empty()) {
    const Utf8Step step = utf8_step(utf8);
    if (is_control(step.code)) return std::nullopt;
    columns += columns_of(step.code);
    utf8.remove_prefix(step.bytes);
  }
  return columns;
}

std::size_t text_columns(std::string_view utf8) noexcept {
  std::size_t columns = 0;
  while (!utf8.empty()) {
    const Utf8Step step = utf8_step(utf8);
    if (!is_control(step.code)) columns += columns_of(step.code);
    utf8.remove_prefix(step.bytes);
  }
  return columns;
}

}  // namespace pf::core
