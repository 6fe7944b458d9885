#include "pickle_text.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <vector>

#include "utf8.hpp"

namespace pf::core {
namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

std::size_t count_digits(std::string_view text) noexcept {
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  return static_cast<std::size_t>(end - text.begin());
}

std::optional<unsigned> hex_digit(char c) noexcept {
  if (is_digit(c)) return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  return std::nullopt;
}

// Exactly `digits` hexadecimal digits, which are taken off the text.
std::optional<std::uint32_t> take_hex(std::string_view& text, std::size_t digits) noexcept {
  if (text.size() < digits) return std::nullopt;
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    const std::optional<unsigned> digit = hex_digit(text[i]);
    if (!digit) return std::nullopt;
    value = (value << 4) | *digit;
  }
  text.remove_prefix(digits);
  return value;
}

// Writes bytes, or only counts them.
class Output {
 public:
  explicit Output(char* out) noexcept : out_(out) {}
  void put(std::uint32_t byte) noexcept {
    if (out_ != nullptr) out_[size_] = static_cast<char>(byte);
    ++size_;
  }
  void put_utf8(std::uint32_t code) noexcept {
    if (code < 0x80) return put(code);
    if (code < 0x800) {
      put(0xC0 | (code >> 6));
    } else {
      if (code < 0x10000) {
        put(0xE0 | (code >> 12));
      } else {
        put(0xF0 | (code >> 18));
        put(0x80 | ((code >> 12) & 0x3F));
      }
      put(0x80 | ((code >> 6) & 0x3F));
    }
    put(0x80 | (code & 0x3F));
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  char* out_;
  std::size_t size_ = 0;
};

// ---------------------------------------------------------------- floats

bool equals_ignoring_case(std::string_view text, std::string_view lower) noexcept {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

std::optional<double> parse_special(std::string_view unsigned_text) noexcept {
  if (equals_ignoring_case(unsigned_text, "inf") || equals_ignoring_case(unsigned_text, "infinity")) {
    return std::numeric_limits<double>::infinity();
  }
  if (equals_ignoring_case(unsigned_text, "nan")) return std::numeric_limits<double>::quiet_NaN();
  return std::nullopt;
}

// digits [. digits] [e sign digits], with a digit before the exponent
struct FloatParts {
  std::string_view whole;
  std::string_view fraction;
  std::string_view exponent;  // sign included
};

std::optional<FloatParts> split_float(std::string_view text) noexcept {
  FloatParts parts;
  parts.whole = text.substr(0, count_digits(text));
  text.remove_prefix(parts.whole.size());
  if (text.starts_with('.')) {
    parts.fraction = text.substr(1, count_digits(text.substr(1)));
    text.remove_prefix(1 + parts.fraction.size());
  }
  if (parts.whole.empty() && parts.fraction.empty()) return std::nullopt;
  if (text.empty()) return parts;
  if (text[0] != 'e' && text[0] != 'E') return std::nullopt;
  parts.exponent = text.substr(1);
  std::string_view digits = parts.exponent;
  if (digits.starts_with('+') || digits.starts_with('-')) digits.remove_prefix(1);
  if (digits.empty() || count_digits(digits) != digits.size()) return std::nullopt;
  return parts;
}

// The exponent's value; a text of more digits than fit is as good as infinite.
std::int64_t exponent_of(std::string_view text) noexcept {
  constexpr std::size_t k_most_digits = 15;
  constexpr std::int64_t k_huge = 1'000'000'000'000'000;
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  text.remove_prefix(std::min(text.find_first_not_of('0'), text.size()));
  std::int64_t value = k_huge;
  if (text.size() <= k_most_digits) {
    value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
  }
  return negative ? -value : value;
}

// For a number that from_chars finds out of range: is it too small, and so 0?
bool underflows(const FloatParts& parts) noexcept {
  const auto position = [](std::size_t at) { return static_cast<std::int64_t>(at); };
  const std::int64_t exponent = exponent_of(parts.exponent);
  const std::size_t first = parts.whole.find_first_not_of('0');
  if (first != std::string_view::npos) return position(parts.whole.size() - first) - 1 + exponent < 0;
  const std::size_t below = parts.fraction.find_first_not_of('0');
  return below == std::string_view::npos || exponent - position(below) - 1 < 0;
}

}  // namespace

// ---------------------------------------------------------------- ints

bool is_decimal(std::string_view text) noexcept {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.empty() || count_digits(text) != text.size()) return false;
  return text[0] != '0' || text.size() == 1;
}

std::optional<std::int64_t> decimal_to_int64(std::string_view decimal) noexcept {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(decimal.data(), decimal.data() + decimal.size(), value);
  if (error != std::errc() || end != decimal.data() + decimal.size()) return std::nullopt;
  return value;
}

std::string decimal_to_twos_complement(std::string_view decimal) {
  constexpr std::size_t k_step_digits = 9;
  const bool negative = decimal.starts_with('-');
  if (negative) decimal.remove_prefix(1);
  std::vector<std::uint32_t> words;  // little-endian magnitude
  words.reserve(decimal.size() / k_step_digits + 2);
  while (!decimal.empty()) {
    const std::size_t digits = std::min(k_step_digits, decimal.size());
    std::uint64_t carry = 0;
    std::from_chars(decimal.data(), decimal.data() + digits, carry);
    std::uint64_t scale = 1;
    for (std::size_t i = 0; i < digits; ++i) scale *= 10;
    for (std::uint32_t& word : words) {
      carry += word * scale;
      word = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
    if (carry != 0) words.push_back(static_cast<std::uint32_t>(carry));
    decimal.remove_prefix(digits);
  }
  words.push_back(0);  // room for the sign
  std::string bytes;
  bytes.reserve(words.size() * sizeof(std::uint32_t));
  std::uint64_t carry = negative ? 1 : 0;
  for (const std::uint32_t word : words) {
    carry += negative ? static_cast<std::uint32_t>(~word) : word;
    for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>((carry >> shift) & 0xFF));
    carry >>= 32;
  }
  return bytes;
}

std::string_view least_twos_complement(std::string_view little_endian) noexcept {
  while (little_endian.size() > 1) {
    const auto last = static_cast<std::uint8_t>(little_endian.back());
    const auto before = static_cast<std::uint8_t>(little_endian[little_endian.size() - 2]);
    const std::uint8_t sign = (before & 0x80) != 0 ? 0xFF : 0x00;
    if (last != sign) break;
    little_endian.remove_suffix(1);
  }
  return little_endian;
}

std::int64_t twos_complement_to_int64(std::string_view little_endian) noexcept {
  if (little_endian.empty()) return 0;
  std::uint64_t bits = (static_cast<std::uint8_t>(little_endian.back()) & 0x80) != 0 ? ~std::uint64_t{0} : 0;
  for (std::size_t i = little_endian.size(); i-- > 0;) bits = (bits << 8) | static_cast<std::uint8_t>(little_endian[i]);
  return static_cast<std::int64_t>(bits);
}

// ---------------------------------------------------------------- floats

std::optional<double> parse_float(std::string_view text) noexcept {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  std::optional<double> value = parse_special(text);
  if (!value) {
    const std::optional<FloatParts> parts = split_float(text);
    if (!parts) return std::nullopt;
    double parsed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parsed);
    if (error == std::errc::result_out_of_range) {
      if (!underflows(*parts)) return std::nullopt;
      parsed = 0;
    } else if (error != std::errc() || end != text.data() + text.size()) {
      return std::nullopt;
    }
    value = parsed;
  }
  return negative ? -*value : *value;
}

// ---------------------------------------------------------------- strings

std::optional<std::size_t> decode_repr(std::string_view text, char quote, char* out) noexcept {
  constexpr std::string_view k_escapes = "\\'\"abfnrtv";
  constexpr std::string_view k_meanings = "\\'\"\a\b\f\n\r\t\v";
  Output output(out);
  while (!text.empty()) {
    const char c = text[0];
    text.remove_prefix(1);
    std::uint32_t code = static_cast<std::uint8_t>(c);
    if (c == quote) return std::nullopt;
    if (c == '\\') {
      if (text.empty()) return std::nullopt;
      const char escape = text[0];
      text.remove_prefix(1);
      if (const std::size_t known = k_escapes.find(escape); known != std::string_view::npos) {
        code = static_cast<std::uint8_t>(k_meanings[known]);
      } else if (escape == 'x') {
        const std::optional<std::uint32_t> hex = take_hex(text, 2);
        if (!hex) return std::nullopt;
        code = *hex;
      } else if (escape >= '0' && escape <= '7') {
        code = static_cast<std::uint32_t>(escape - '0');
        for (int i = 0; i < 2 && !text.empty() && text[0] >= '0' && text[0] <= '7'; ++i) {
          code = code * 8 + static_cast<std::uint32_t>(text[0] - '0');
          text.remove_prefix(1);
        }
      } else {
        return std::nullopt;
      }
    }
    if (code >= 0x80) return std::nullopt;
    output.put(code);
  }
  return output.size();
}

std::optional<std::size_t> decode_raw_unicode(std::string_view text, char* out) noexcept {
  Output output(out);
  while (!text.empty()) {
    const char c = text[0];
    text.remove_prefix(1);
    if (c != '\\' || text.empty()) {
      output.put_utf8(static_cast<std::uint8_t>(c));
      continue;
    }
    const char escape = text[0];
    text.remove_prefix(1);
    if (escape != 'u' && escape != 'U') {
      // Of two backslashes neither begins an escape.
      output.put('\\');
      output.put_utf8(static_cast<std::uint8_t>(escape));
      continue;
    }
    const std::optional<std::uint32_t> code = take_hex(text, escape == 'u' ? 4 : 8);
    if (!code || *code > 0x10FFFF) return std::nullopt;
    output.put_utf8(*code);
  }
  return output.size();
}

std::optional<std::size_t> decode_latin1(std::string_view utf8, char* out) noexcept {
  Output output(out);
  while (!utf8.empty()) {
    const Utf8Step step = utf8_step(utf8);
    if (!step.valid || step.code > 0xFF) return std::nullopt;
    output.put(step.code);
    utf8.remove_prefix(step.bytes);
  }
  return output.size();
}

std::string latin1_to_utf8(std::string_view latin1) {
  const auto encode = [&](char* out) {
    Output output(out);
    for (const char c : latin1) output.put_utf8(static_cast<std::uint8_t>(c));
    return output.size();
  };
  std::string utf8(encode(nullptr), '\0');
  encode(utf8.data());
  return utf8;
}

}  // namespace pf::core
