// The bounds of pickle_reader.hpp.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "pickles.hpp"

using namespace pf::core;
using namespace std::string_literals;
using namespace std::string_view_literals;
using pf::test::decoded;
using pf::test::refusal;
using pf::test::repeated;

namespace {

constexpr std::size_t k_mib = 1u << 20;

// `depth` lists, one in the other.
std::string nested_lists(std::size_t depth) { return repeated("]", depth) + repeated("a", depth - 1) + "."; }

std::string little_endian(std::size_t number, std::size_t bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes; ++i) out += static_cast<char>((number >> (8 * i)) & 0xFF);
  return out;
}

bool accepts(std::string_view pickle, const Limits& limits = Limits::result()) { return decode_pickle(pickle, limits).ok(); }

std::string code_of(std::string_view pickle, const Limits& limits = Limits::result()) {
  const std::string verdict = decoded(pickle, limits);
  return verdict.substr(0, verdict.find('@'));
}

// A tuple key of `depth` tuples in each other.
std::string dict_with_deep_key(std::size_t depth) { return "}" + std::string(")") + repeated("\x85", depth - 1) + "Ns."; }
// A tuple key of `nodes` values, itself included.
std::string dict_with_wide_key(std::size_t nodes) { return "}(" + repeated("N", nodes - 1) + "tNs."; }

}  // namespace

TEST_SUITE("pfcore/pickle_reader/limits") {
  TEST_CASE("the presets are those of the wire") {
    CHECK(Limits::greeting().max_bytes == 65'536);
    CHECK(Limits::control().max_bytes == 16 * k_mib);
    CHECK(Limits::result().max_bytes == 256 * k_mib);
    CHECK(Limits::result(5).max_bytes == 5);
    CHECK(Limits::greeting().max_depth == 512);
    CHECK(Limits::control().max_depth == 512);
    CHECK(Limits::result().max_depth == 10'000);
    for (const Limits& limits : {Limits::greeting(), Limits::control(), Limits::result()}) {
      CHECK(limits.max_objects == 1'000'000);
      CHECK(limits.max_int_digits == 4300);
      CHECK(limits.max_int_bytes == 65'536);
      CHECK(limits.max_key_depth == 8);
      CHECK(limits.max_key_nodes == 64);
      CHECK_FALSE(limits.python2_names);
    }
  }

  TEST_CASE("a pickle has the bytes that it may have") {
    const std::string fits = "C\xff"s + std::string(255, 'x') + ".";
    CHECK(accepts(fits, Limits::result(fits.size())));
    CHECK(refusal(fits, Limits::result(fits.size() - 1)) == "decode the pickle: 258 bytes, 257 are allowed");
    const std::string large = "B" + little_endian(65'536, 4) + std::string(65'536, 'x') + ".";
    CHECK(code_of(large, Limits::greeting()) == "limit");
    CHECK(accepts(large, Limits::control()));
  }

  TEST_CASE("containers nest as deep as they may") {
    CHECK(accepts(nested_lists(512), Limits::control()));
    CHECK(code_of(nested_lists(513), Limits::control()) == "limit");
    CHECK(accepts(nested_lists(512), Limits::greeting()));
    CHECK(code_of(nested_lists(513), Limits::greeting()) == "limit");
    CHECK(accepts(nested_lists(10'000)));
    CHECK(code_of(nested_lists(10'001)) == "limit");
    CHECK(accepts(")" + repeated("\x85", 511) + ".", Limits::control()));
    CHECK(code_of(")" + repeated("\x85", 512) + ".", Limits::control()) == "limit");
    CHECK(accepts(repeated("(", 511) + ")" + repeated("l", 511) + ".", Limits::control()));
    CHECK(code_of(repeated("(", 1'000'000), Limits::control()) == "limit");
    CHECK(code_of(repeated("}N", 600) + "N" + repeated("s", 600) + ".", Limits::control()) == "limit");
  }

  TEST_CASE("a container that is filled from the outside in has its depth counted, too") {
    // Each list is put into the one before while it is empty.
    std::string pickle = "]";
    for (std::size_t i = 1; i < 600; ++i) pickle += "]r" + little_endian(i, 4) + "aj" + little_endian(i, 4);
    pickle += repeated("0", 599) + ".";
    CHECK(code_of(pickle, Limits::control()) == "limit");
    CHECK(accepts(pickle));
  }

  TEST_CASE("a cycle is as deep as a walk that remembers where it was") {
    // Protocol 0 appends one by one: a list that holds many lists, each of which holds the outer one.
    std::string pickle = "(lp0\n";
    for (int i = 0; i < 2000; ++i) pickle += "(lg0\naa";
    pickle += ".";
    CHECK(accepts(pickle, Limits::control()));
  }

  TEST_CASE("values are counted, small ones too") {
    Limits limits = Limits::result();
    limits.max_objects = 10;
    CHECK(accepts("(" + repeated("N", 9) + "t.", limits));
    CHECK(code_of("(" + repeated("N", 10) + "t.", limits) == "limit");
    CHECK(code_of(repeated("N0", 11) + "N.", limits) == "limit");  // gone ones count
    const std::string million = "](" + repeated("N", 1'000'000) + "e.";
    CHECK(code_of(million) == "limit");
  }

  TEST_CASE("a memo is not sized by an index") {
    CHECK(code_of("Nr\xff\xff\xff\xff."sv) == "limit");
    CHECK(code_of("Np4294967295\n."sv) == "limit");
    CHECK(code_of("Np99999999999999999999999\n."sv) == "malformed");
    CHECK(code_of("Nr\0\0\x10\0."sv) == "limit");
    CHECK(accepts("Nr\x06\0\0\0."sv));
  }

  TEST_CASE("ints have the digits and bytes that they may have") {
    CHECK(accepts("L1" + std::string(4299, '0') + "L\n."));
    CHECK(accepts("I-" + std::string(4300, '9') + "\n."));
    CHECK(code_of("L1" + std::string(4300, '0') + "L\n.") == "limit");
    CHECK(code_of("I-1" + std::string(4300, '0') + "\n.") == "limit");
    CHECK(accepts("\x8b" + little_endian(65'536, 4) + std::string(65'536, 'x') + "."));
    CHECK(code_of("\x8b" + little_endian(65'537, 4) + std::string(65'537, 'x') + ".") == "limit");
    CHECK(code_of("\x8b\xff\xff\xff\xff."sv) == "limit");  // a negative length
  }

  TEST_CASE("keys are as deep and as large as they may be") {
    CHECK(accepts(dict_with_deep_key(8)));
    CHECK(code_of(dict_with_deep_key(9)) == "limit");
    CHECK(accepts(dict_with_wide_key(64)));
    CHECK(code_of(dict_with_wide_key(65)) == "limit");
    CHECK(code_of("\x8f(" + std::string(")") + repeated("\x85", 8) + "\x90.") == "limit");
    // 2**30 nodes in 93 bytes: the same tuple twice in the next, as a key.
    std::string graph = "})";
    for (char i = 0; i < 30; ++i) graph += "q"s + i + "h"s + i + "\x86";
    CHECK(code_of(graph + "Ns.") == "limit");
  }

  TEST_CASE("a value that cannot be hashed is no key") {
    for (const std::string_view key : {"]"sv, "}"sv, "\x8f"sv, "\x96\0\0\0\0\0\0\0\0"sv, "]\x85"sv, "]\x85\x85"sv}) {
      CHECK(code_of("}" + std::string(key) + "Ns.") == "malformed");
      CHECK(code_of("\x8f(" + std::string(key) + "\x90.") == "malformed");
      CHECK(code_of("(" + std::string(key) + "\x91.") == "malformed");
    }
  }

  TEST_CASE("heap is eight bytes a byte and a mebibyte") {
    // One byte announces a gigabyte.
    CHECK(code_of("B\xff\xff\xff\x3f"sv) == "truncated");
    CHECK(code_of("\x8e\0\0\0\0\x01\0\0\0"sv) == "truncated");
    // Lists of one-byte values take sixteen bytes each.
    CHECK(accepts("](" + repeated("N", 100'000) + "e."));
    CHECK(code_of("](" + repeated("N", 300'000) + "e.") == "limit");
    // An empty set costs its reader much more than a byte.
    CHECK(code_of("](" + repeated("\x8f", 200'000) + "e.") == "limit");
    // A large text is fetched again and again, and is there once.
    const std::string text = "X" + little_endian(10'000, 4) + std::string(10'000, 'x') + "q\0"s;
    CHECK(accepts("](" + text + repeated("h\0"sv, 10'000) + "e."));
    // A bytearray made of it is one of its own each time.
    const std::string bytes = "C\xff"s + std::string(255, 'x') + "q\1"s;
    const std::string bytearrays = repeated("h\0h\1\x85R"sv, 20'000);
    CHECK(code_of("](cbuiltins\nbytearray\nq\0"s + bytes + "\x85R" + bytearrays + "e.") == "limit");
  }

  TEST_CASE("keys made to collide are refused") {
    // Multiples of 2**61 - 1 all hash to 0.
    const auto dict_of = [](std::uint64_t count) {
      std::string pickle = "}(";
      for (std::uint64_t i = 1; i <= count; ++i) {
        const std::uint64_t high = i >> 3;  // i * 2**61 - i
        pickle += "\x8a\x0a" + little_endian((i << 61) - i, 8) + little_endian((i << 61) < i ? high - 1 : high, 2) + "N";
      }
      return pickle + "u.";
    };
    CHECK(decoded(dict_of(1)) == "d{i2305843009213693951=N}");
    CHECK(accepts(dict_of(100)));
    CHECK(code_of(dict_of(30'000)) == "limit");
  }

  TEST_CASE("keys are equal as in Python") {
    CHECK(decoded("}(K\1K\1\x88K\2G?\xf0\0\0\0\0\0\0K\3u."sv) == "d{i1=i3}");
    CHECK(decoded("}(\x88K\1K\1K\2u."sv) == "d{T=i2}");
    CHECK(decoded("}(K\0K\1\x89K\2G\x80\0\0\0\0\0\0\0K\3u."sv) == "d{i0=i3}");
    // 2**53 and 2.0**53, 2**53 + 1 and 2.0**53
    CHECK(decoded("\x8f(\x8a\7\0\0\0\0\0\0\x20GC\x40\0\0\0\0\0\0\x90."sv) == "S{i9007199254740992}");
    CHECK(decoded("\x8f(\x8a\7\1\0\0\0\0\0\x20GC\x40\0\0\0\0\0\0\x90."sv) == "S{f4340000000000000,i9007199254740993}");
    // 2**64 and 2.0**64
    CHECK(decoded("\x8f(\x8a\x09\0\0\0\0\0\0\0\0\1GC\xf0\0\0\0\0\0\0\x90."sv) == "S{i0x10000000000000000}");
    // A NaN is itself only.
    CHECK(decoded("\x8f(G\x7f\xf8\0\0\0\0\0\0q\0G\x7f\xf8\0\0\0\0\0\0h\0\x90."sv) == "S{f7ff8000000000000,f7ff8000000000000}");
    CHECK(decoded("\x8f(\x8c\1zC\1z\x90."sv) == "S{b7a,s7a}");
    CHECK(decoded("\x8f(K\1\x85\x88\x85\x90."sv) == "S{t(i1)}");
    CHECK(decoded("\x8f((K\1K\2\x91(K\2K\1\x91\x90."sv) == "S{Z{i1,i2}}");
  }
}
