// UTF-8 as pickles carry it: lone surrogates are let through, as with Python's "surrogatepass".
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
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

// Nearly all text is.
[[nodiscard]] bool is_long_ascii(std::string_view text) noexcept;  // of at least 64 bytes
[[nodiscard]] inline bool is_ascii(std::string_view text) noexcept {
  constexpr std::uint64_t k_high_bits = 0x8080808080808080u;
  constexpr std::size_t k_word = sizeof(std::uint64_t);
  if (text.size() >= 64) return is_long_ascii(text);
  const auto word = [data = text.data()](std::size_t at) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, data + at, k_word);
    return bits;
  };
  std::uint64_t bits = 0;
  if (text.size() < k_word) {
    for (const char c : text) bits |= static_cast<std::uint8_t>(c);
    return (bits & k_high_bits) == 0;
  }
  for (std::size_t at = 0; at + k_word <= text.size(); at += k_word) bits |= word(at);
  bits |= word(text.size() - k_word);  // overlaps the one before
  return (bits & k_high_bits) == 0;
}

[[nodiscard]] bool is_utf8(std::string_view text) noexcept;
// Each part that can be no character becomes U+FFFD (the "maximal subpart" rule of the Unicode standard, chapter 3.9,
// which is what Python's errors="replace" does).
[[nodiscard]] std::string repair_utf8(std::string_view text);

}  // namespace pf::core
