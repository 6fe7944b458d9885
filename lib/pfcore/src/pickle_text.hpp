// The text arguments of protocol 0: numbers and escaped strings. Strict where CPython's readers disagree with each
// other (signs, blanks, underscores, leading zeros): what no writer produces is no number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pf::core {

// -?(0|[1-9][0-9]*)
[[nodiscard]] bool is_decimal(std::string_view text) noexcept;
// A decimal that fits.
[[nodiscard]] std::optional<std::int64_t> decimal_to_int64(std::string_view decimal) noexcept;
// Two's complement, little-endian. Quadratic in the digits: bound them first.
[[nodiscard]] std::string decimal_to_twos_complement(std::string_view decimal);

// Without the bytes at the end that only repeat the sign. An empty text is 0.
[[nodiscard]] std::string_view least_twos_complement(std::string_view little_endian) noexcept;
// Of at most 8 bytes.
[[nodiscard]] std::int64_t twos_complement_to_int64(std::string_view little_endian) noexcept;

// What float() reads without blanks and underscores; independent of the locale. Nothing for a number that overflows.
[[nodiscard]] std::optional<double> parse_float(std::string_view text) noexcept;

// The decoders below write to `out`, or only measure when it is null, and give the length of the result; nothing for a
// text that is not of the format.

// Python 2's repr of an ASCII str, without its quotes.
std::optional<std::size_t> decode_repr(std::string_view text, char quote, char* out) noexcept;
// The raw-unicode-escape codec, to UTF-8. Surrogates are not joined.
std::optional<std::size_t> decode_raw_unicode(std::string_view text, char* out) noexcept;
// UTF-8 to Latin-1.
std::optional<std::size_t> decode_latin1(std::string_view utf8, char* out) noexcept;

[[nodiscard]] std::string latin1_to_utf8(std::string_view latin1);

}  // namespace pf::core
