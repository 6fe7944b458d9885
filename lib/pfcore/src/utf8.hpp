// UTF-8 as pickles carry it: lone surrogates are let through, as with Python's "surrogatepass".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pf::core {

// One code point at the start of a text.
struct Utf8Step {
  std::uint32_t code = 0xFFFD;
  std::size_t bytes = 0;    // length of the sequence, or of the part that can be no character; 0 at the end of the text
  bool valid = false;
};
[[nodiscard]] Utf8Step utf8_step(std::string_view text) noexcept;

[[nodiscard]] bool is_utf8(std::string_view text) noexcept;
// Each part that can be no character becomes U+FFFD (the "maximal subpart" rule of the Unicode standard, chapter 3.9,
// which is what Python's errors="replace" does).
[[nodiscard]] std::string repair_utf8(std::string_view text);

}  // namespace pf::core
