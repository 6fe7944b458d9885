#include "sha1.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace pf::ctl {
namespace {

constexpr std::size_t k_block_bytes = 64;
constexpr std::size_t k_length_bytes = 8;

using State = std::array<std::uint32_t, 5>;

std::uint32_t word_at(const char* bytes) noexcept {
  std::uint32_t word = 0;
  for (int i = 0; i < 4; ++i) word = (word << 8) | static_cast<std::uint8_t>(bytes[i]);
  return word;
}

// f and K of the standard's sections 4.1.1 and 4.2.1.
struct Round {
  std::uint32_t mixed;
  std::uint32_t constant;
};
Round round_of(std::size_t t, std::uint32_t b, std::uint32_t c, std::uint32_t d) noexcept {
  if (t < 20) return {(b & c) ^ (~b & d), 0x5a827999};
  if (t < 40) return {b ^ c ^ d, 0x6ed9eba1};
  if (t < 60) return {(b & c) ^ (b & d) ^ (c & d), 0x8f1bbcdc};
  return {b ^ c ^ d, 0xca62c1d6};
}

void add_block(State& state, const char* block) noexcept {
  std::array<std::uint32_t, 80> w;
  for (std::size_t t = 0; t < 16; ++t) w[t] = word_at(block + 4 * t);
  for (std::size_t t = 16; t < w.size(); ++t) w[t] = std::rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
  auto [a, b, c, d, e] = state;
  for (std::size_t t = 0; t < w.size(); ++t) {
    const Round round = round_of(t, b, c, d);
    const std::uint32_t next = std::rotl(a, 5) + round.mixed + e + round.constant + w[t];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  state = {state[0] + a, state[1] + b, state[2] + c, state[3] + d, state[4] + e};
}

}  // namespace

std::string sha1_hex(std::string_view data) {
  State state{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  std::string tail(data.substr(data.size() - data.size() % k_block_bytes));
  tail += '\x80';
  while (tail.size() % k_block_bytes != k_block_bytes - k_length_bytes) tail += '\0';
  const std::uint64_t bits = std::uint64_t{data.size()} * 8;
  for (int shift = 56; shift >= 0; shift -= 8) tail += static_cast<char>((bits >> shift) & 0xFF);

  for (std::size_t at = 0; at + k_block_bytes <= data.size(); at += k_block_bytes) add_block(state, data.data() + at);
  for (std::size_t at = 0; at < tail.size(); at += k_block_bytes) add_block(state, tail.data() + at);

  constexpr std::string_view k_digits = "0123456789abcdef";
  std::string hex;
  for (const std::uint32_t word : state) {
    for (int shift = 28; shift >= 0; shift -= 4) hex += k_digits[(word >> shift) & 0xF];
  }
  return hex;
}

}  // namespace pf::ctl
