#include "utf8.hpp"

#include <bit>
#include <cstring>

namespace pf::core {
namespace {

// GCC's and Clang's vector extension: a register of every 64-bit machine.
using Bytes = std::uint8_t __attribute__((vector_size(16)));
using SignedBytes = std::int8_t __attribute__((vector_size(16)));
using Words = std::uint64_t __attribute__((vector_size(16)));

template <class Vector>
Vector load(const char* at) noexcept {
  Vector vector;
  std::memcpy(&vector, at, sizeof vector);
  return vector;
}

constexpr std::uint64_t k_high_bits = 0x8080808080808080u;
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

// Sixteen bytes of text at once, for what most text with something beyond ASCII is: sequences of two and three bytes. A byte
// has to continue a sequence exactly where the lead bytes one and two before it say so. Lead bytes that need a closer look
// (possible overlong forms, four bytes, none at all) count as doubtful.
class CommonUtf8 {
public:
  static constexpr std::size_t k_step = sizeof(Bytes);
  static constexpr std::size_t k_before = 2;

  // Of the k_step bytes at `at`; the k_before bytes in front of them are read too.
  void take(const char* at) noexcept {
    const Bytes now = load<Bytes>(at), one_before = load<Bytes>(at - 1), two_before = load<Bytes>(at - 2);
    const Bytes continues = mask(reinterpret_cast<SignedBytes>(now) < k_first_no_continuation);
    const Bytes expected = mask((one_before & 0xC0) == 0xC0) | mask((two_before & 0xE0) == 0xE0);
    doubts_ |= (continues ^ expected) | mask(now == 0xE0) | mask((now & 0xFE) == 0xC0) | mask((now & 0xF0) == 0xF0);
  }
  [[nodiscard]] bool doubtful() const noexcept {
    const auto halves = reinterpret_cast<Words>(doubts_);
    return (halves[0] | halves[1]) != 0;
  }

private:
  static constexpr std::int8_t k_first_no_continuation = -64;  // 0xC0; continuation bytes are -128 to -65

  static Bytes mask(SignedBytes comparison) noexcept { return reinterpret_cast<Bytes>(comparison); }

  Bytes doubts_{};
};

// False says nothing.
bool is_common_utf8(std::string_view text) noexcept {
  constexpr std::size_t k_step = CommonUtf8::k_step, k_before = CommonUtf8::k_before;
  if (text.size() < k_step) return false;
  CommonUtf8 seen;
  char edge[k_before + k_step] = {};
  std::memcpy(edge + k_before, text.data(), k_step);
  seen.take(edge + k_before);
  std::size_t at = k_step;
  for (; at + k_step <= text.size(); at += k_step) seen.take(text.data() + at);
  // At least one null byte follows: a sequence that the end cuts off is seen by it.
  std::memset(edge, 0, sizeof edge);
  std::memcpy(edge, text.data() + at - k_before, k_before + text.size() - at);
  seen.take(edge + k_before);
  return !seen.doubtful();
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

bool is_long_ascii(std::string_view text) noexcept {
  constexpr std::size_t k_register = sizeof(Words), k_step = 4 * k_register;
  const auto step = [&](std::size_t at) {
    const char* const data = text.data() + at;
    return (load<Words>(data) | load<Words>(data + k_register)) |
           (load<Words>(data + 2 * k_register) | load<Words>(data + 3 * k_register));
  };
  Words bits = step(text.size() - k_step);  // overlaps the last whole step
  for (std::size_t at = 0; at + k_step <= text.size(); at += k_step) bits |= step(at);
  return ((bits[0] | bits[1]) & k_high_bits) == 0;
}

bool is_utf8(std::string_view text) noexcept { return is_common_utf8(text) || valid_prefix(text) == text.size(); }

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
