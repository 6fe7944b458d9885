// Pieces of the texts of --detailed and --bench.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace pf::core {

// "1.234 s"
[[nodiscard]] std::string seconds_text(std::chrono::nanoseconds duration);
// "   1.234", right-aligned in `columns`.
[[nodiscard]] std::string seconds_cell(std::chrono::nanoseconds duration, std::size_t columns = 10);
// 0.5 is "50 %".
[[nodiscard]] std::string percent_text(double share);
// "1 test", "2 tests"
[[nodiscard]] std::string counted_text(std::size_t count, std::string_view noun);
[[nodiscard]] std::string aligned_right(std::string text, std::size_t columns);

// "label        text\n": all labels have the same width.
void put_labelled(std::string& out, std::string_view label, std::string_view text);

}  // namespace pf::core
