// Which bytes are UTF-8, wherever in a text they stand.
#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <pfcore/pickle_reader.hpp>

namespace {

using namespace pf::core;

std::string pickle_of(std::string_view text) {
  std::string pickle = "\x80\x04X";
  for (int shift = 0; shift < 32; shift += 8) pickle += static_cast<char>((text.size() >> shift) & 0xFF);
  return pickle.append(text) += '.';
}

bool accepted(std::string_view text) {
  const auto document = decode_pickle(pickle_of(text), Limits::control());
  if (!document) return false;
  CHECK(document->root().as_str() == text);
  return true;
}

// The Unicode standard's table 3-7, a byte after the other; surrogates pass.
bool is_well_formed(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = [&](std::size_t i) { return at + i < text.size() ? static_cast<std::uint8_t>(text[at + i]) : 0u; };
    const unsigned lead = byte(0);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    if (length == 0) return false;
    for (std::size_t i = 1; i < length; ++i) {
      if (byte(i) < 0x80 || byte(i) > 0xBF) return false;
    }
    if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F)) return false;
    at += length;
  }
  return true;
}

}  // namespace

TEST_SUITE("pfcore/pickle_texts") {
  TEST_CASE("every mixture of lead and continuation bytes, at every place of a text, is judged as the standard does") {
    constexpr std::array<unsigned, 22> k_bytes{0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1,
                                               0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF};
    constexpr std::size_t k_all = k_bytes.size() * k_bytes.size() * k_bytes.size() * k_bytes.size();
    std::size_t good = 0;
    std::size_t wrong = 0;
    for (std::size_t number = 0; number < k_all; ++number) {
      std::string text(number % 37, 'a');
      for (std::size_t rest = number, i = 0; i < 4; ++i, rest /= k_bytes.size()) {
        text += static_cast<char>(k_bytes[rest % k_bytes.size()]);
      }
      text.append(number % 41, 'z');
      const bool expected = is_well_formed(text);
      good += expected ? 1 : 0;
      wrong += accepted(text) == expected ? 0 : 1;
    }
    CHECK(wrong == 0);
    CHECK(good > 1000);
  }

  TEST_CASE("long texts: one wrong byte anywhere, or an end within a character") {
    for (const std::string_view unit : {"a", "a\xC3\xA9", "\xE2\x80\xA6 b", "\xED\xA0\x80", "\xF0\x9F\x98\x80"}) {
      std::string text;
      while (text.size() < 200) text += unit;
      CHECK(accepted(text));
      std::size_t wrong = 0;
      for (std::size_t length = 0; length < text.size(); ++length) {
        const std::string_view part = std::string_view(text).substr(0, length);
        wrong += accepted(part) == is_well_formed(part) ? 0 : 1;
      }
      for (std::size_t at = 0; at < text.size(); ++at) {
        for (const unsigned byte : {0x41u, 0x80u, 0xC3u, 0xE0u, 0xF4u, 0xFFu}) {
          std::string changed = text;
          changed[at] = static_cast<char>(byte);
          wrong += accepted(changed) == is_well_formed(changed) ? 0 : 1;
        }
      }
      CHECK_MESSAGE(wrong == 0, unit);
    }
  }
}
