#include "utf8.hpp"

#include <bit>
#include <cstring>

namespace pf::core {
namespace {

constexpr std::string_view k_replacement = "\xEF\xBF\xBD";

struct LeadByte {
  std::uint8_t length = 0;         // 0: can start nothing
  std::uint8_t second_min = 0x80;  // the first continuation byte excludes overlong forms and code points over 10FFFF
  std::uint8_t second_max = 0xBF;
};

LeadByte classify(std::uint8_t lead) noexcept {
  if (lead >= 0xC2 && lead <= 0xDF) return {2, 0x80, 0xBF};
  if (lead == 0xE0) return {3, 0xA0, 0xBF};
  if (lead >= 0xE1 && lead <= 0xEF) return {3, 0x80, 0xBF};   // 0xED included: surrogates pass
  if (lead == 0xF0) return {4, 0x90, 0xBF};
  if (lead >= 0xF1 && lead <= 0xF3) return {4, 0x80, 0xBF};
  if (lead == 0xF4) return {4, 0x80, 0x8F};
  return {};
}

bool continues(std::uint8_t byte) noexcept { return (byte & 0xC0) == 0x80; }

// Length of the valid sequence at the start of `text`, whose first byte is not ASCII; 0 when there is none. As utf8_step,
// which is for those who want to know more.
std::size_t valid_sequence(std::string_view text) noexcept {
  const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0xE0) return lead >= 0xC2 && text.size() >= 2 && continues(byte(1)) ? 2 : 0;
  if (lead < 0xF0) {
    if (text.size() < 3 || !continues(byte(1)) || !continues(byte(2))) return 0;
    return lead > 0xE0 || byte(1) >= 0xA0 ? 3 : 0;
  }
  if (text.size() < 4 || !continues(byte(1)) || !continues(byte(2)) || !continues(byte(3))) return 0;
  if (lead == 0xF0) return byte(1) >= 0x90 ? 4 : 0;
  return lead < 0xF4 || (lead == 0xF4 && byte(1) < 0x90) ? 4 : 0;
}

// Bytes at the start that are valid; ASCII in steps of eight, since nearly all text is nothing else.
std::size_t valid_prefix(std::string_view text) noexcept {
  constexpr std::uint64_t k_high_bits = 0x8080808080808080u;
  std::size_t at = 0;
  while (at < text.size()) {
    if (at + sizeof(std::uint64_t) <= text.size()) {
      std::uint64_t word = 0;
      std::memcpy(&word, text.data() + at, sizeof word);
      const std::uint64_t high = word & k_high_bits;
      static_assert(std::endian::native == std::endian::little);
      at += high == 0 ? sizeof word : static_cast<std::size_t>(std::countr_zero(high)) / 8;
      if (high == 0) continue;
    } else if (static_cast<std::uint8_t>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const std::size_t length = valid_sequence(text.substr(at));
    if (length == 0) break;
    at += length;
  }
  return at;
}

}  // namespace

Utf8Step utf8_step(std::string_view text) noexcept {
  if (text.empty()) return {};
  const auto lead = static_cast<std::uint8_t>(text[0]);
  if (lead < 0x80) return {lead, 1, true};
  const LeadByte kind = classify(lead);
  if (kind.length == 0) return {0xFFFD, 1, false};
  std::uint32_t code = lead & (0x7Fu >> kind.length);
  for (std::size_t i = 1; i < kind.length; ++i) {
    const std::uint8_t low = i == 1 ? kind.second_min : 0x80;
    const std::uint8_t high = i == 1 ? kind.second_max : 0xBF;
    if (i >= text.size()) return {0xFFFD, i, false};
    const auto byte = static_cast<std::uint8_t>(text[i]);
    if (byte < low || byte > high) return {0xFFFD, i, false};
    code = (code << 6) | (byte & 0x3Fu);
  }
  return {code, kind.length, true};
}

bool is_utf8(std::string_view text) noexcept { return valid_prefix(text) == text.size(); }

std::string repair_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size() + k_replacement.size());
  while (!text.empty()) {
    const std::size_t good = valid_prefix(text);
    out.append(text.substr(0, good));
    text.remove_prefix(good);
    if (text.empty()) break;
    out.append(k_replacement);
    text.remove_prefix(utf8_step(text).bytes);
  }
  return out;
}

}  // namespace pf::core
