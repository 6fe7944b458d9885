#include <doctest/doctest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "pickles.hpp"
#include "support.hpp"

using namespace pf::core;
using namespace std::string_literals;
using namespace std::string_view_literals;
using pf::test::decoded;
using pf::test::k_all_kinds;
using pf::test::refusal;

namespace {

std::string framed(std::string_view body) {
  std::string pickle = "\x80\x04\x95"s;
  for (std::size_t i = 0; i < 8; ++i) pickle += static_cast<char>((body.size() >> (8 * i)) & 0xFF);
  return pickle.append(body);
}

Limits with_python2_names() {
  Limits limits = Limits::result();
  limits.python2_names = true;
  return limits;
}

}  // namespace

TEST_SUITE("pfcore/pickle_reader") {
  TEST_CASE("all kinds of values are read from one pickle") {
    CHECK(decoded(k_all_kinds) ==
          "l[N,T,F,i7,i513,i-1,i0xab54a98ceb1f0ad2,i-32768,f400921fb54442d18,fbff8000000000000,s616263,sc3a9,s610a,s78e282ac,"
          "b00ff,B010203,t(),t(@0),t(i1,i2),@3,l[i1],d{s6b=i1,s6c=@0},S{i1,i2},Z{i3},c3ff0000000000000:0000000000000000]");
  }

  TEST_CASE("texts stay in the pickle when they are borrowed, and have left it when not") {
    const std::string text(100, 'x');
    for (const std::string& pickle : {"\x80\x04\x8c\x64" + text + ".", framed("\x8c\x64" + text + ".")}) {
      CAPTURE(pickle);
      const auto is_inside = [&](Texts texts) {
        Result<Document> document = decode_pickle(pickle, Limits::result(), texts);
        REQUIRE(document.ok());
        REQUIRE(document->root().as_str() == text);
        const char* const at = document->root().as_str()->data();
        return std::less_equal<>()(pickle.data(), at) && std::less<>()(at, pickle.data() + pickle.size());
      };
      CHECK(is_inside(Texts::borrowed));
      CHECK(!is_inside(Texts::copied));
    }
    const Result<Document> borrowed = decode_pickle(k_all_kinds, Limits::result(), Texts::borrowed);
    REQUIRE(borrowed.ok());
    CHECK(canonical_text(borrowed->root()) == decoded(k_all_kinds));
  }

  TEST_CASE("a pickle cut at any byte is truncated") {
    for (const std::string& pickle : {std::string(k_all_kinds), framed(k_all_kinds.substr(2))}) {
      REQUIRE(decoded(pickle).starts_with("l["));
      for (std::size_t size = 0; size < pickle.size(); ++size) {
        CAPTURE(size);
        CHECK(decoded(std::string_view(pickle).substr(0, size)).starts_with("truncated@"));
      }
    }
  }

  TEST_CASE("every message of the wire cut at any byte is truncated") {
    std::size_t messages = 0;
    for (const auto& entry : std::filesystem::directory_iterator(pf::test::data_directory() / "wire")) {
      const std::string pickle = pf::test::read_file(entry);
      REQUIRE(decoded(pickle).starts_with("d{"));
      ++messages;
      for (std::size_t size = 0; size < pickle.size(); ++size) {
        CAPTURE(entry.path().filename());
        CAPTURE(size);
        CHECK(decoded(std::string_view(pickle).substr(0, size)).starts_with("truncated@"));
      }
    }
    CHECK(messages > 20);
  }

  TEST_CASE("an argument that ends early is told where its opcode starts") {
    CHECK(refusal("(NJ\1\2"sv) == "decode the pickle: BININT at byte 2: the pickle ends inside the argument");
    CHECK(refusal("N"sv) == "decode the pickle: it ends without a STOP");
    CHECK(decoded("N"sv) == "truncated@1");
    CHECK(refusal(""sv) == "decode the pickle: it ends without a STOP");
    CHECK(refusal("(I12"sv) == "decode the pickle: INT at byte 1: the line has no end");
  }

  TEST_CASE("an empty text may be the last thing before the end") {
    for (const std::string_view pickle : {"\x8c\0"sv, "C\0"sv, "X\0\0\0\0"sv, "\x96\0\0\0\0\0\0\0\0"sv, "S''\n"sv, "V\n"sv}) {
      CAPTURE(pickle);
      CHECK(decoded(pickle) == "truncated@" + std::to_string(pickle.size()));
      CHECK(decoded(std::string(pickle) + ".").size() == 1);
    }
  }

  TEST_CASE("texts of any length stand where their bytes were") {
    // Short ones are copied together, long ones alone; both between others.
    std::string pickle = "](";
    std::string expected = "l[";
    for (std::size_t length = 0; length < 40'000; length = length * 5 / 3 + 1) {
      for (const char opcode : {'X', 'B'}) {
        const std::string text(length, static_cast<char>('a' + length % 26));
        pickle += opcode;
        for (std::size_t i = 0; i < 4; ++i) pickle += static_cast<char>((length >> (8 * i)) & 0xFF);
        pickle += text + "q\1h\1\x96"s;
        for (std::size_t i = 0; i < 8; ++i) pickle += static_cast<char>((length >> (8 * i)) & 0xFF);
        pickle += text;
        std::string hex;
        for (const char c : text) hex += "0123456789abcdef"[c >> 4], hex += "0123456789abcdef"[c & 0xF];
        const std::string one = (opcode == 'X' ? "s" : "b") + hex + ",";
        expected += one + one + "B" + hex + ",";
      }
    }
    expected.back() = ']';
    CHECK(decoded(pickle + "e.") == expected);
  }

  TEST_CASE("whatever is over at the end is refused") {
    CHECK(decoded("N.."sv) == "malformed@1");
    CHECK(decoded("N.\0"sv) == "malformed@1");
    CHECK(decoded("NN."sv) == "malformed@2");
    CHECK(decoded("(N."sv) == "malformed@2");
    CHECK(decoded("."sv) == "malformed@0");
    CHECK(decoded("(0."sv) == "malformed@2");
    CHECK(refusal("NN."sv) == "decode the pickle: STOP at byte 2: values are left over");
  }

  TEST_CASE("a frame holds whole opcodes and no other frame") {
    CHECK(decoded(framed("N.")) == "N");
    CHECK(decoded(framed("") + "N.") == "N");
    CHECK(decoded(framed("N") + ".") == "N");
    CHECK(decoded(framed(framed("N.").substr(2))) == "malformed@11");
    CHECK(decoded(framed("J") + "\1\0\0\0."s) == "malformed@11");
    CHECK(decoded(framed("N") + framed(".").substr(2)) == "N");
    CHECK(decoded("\x80\x04\x95\x03\0\0\0\0\0\0\0N."sv) == "truncated@2");
    CHECK(decoded("\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xffN."sv) == "truncated@2");
    CHECK(decoded(framed("N.") + "N") == "malformed@12");
  }

  TEST_CASE("a protocol is told first or not at all") {
    for (char protocol = 0; protocol <= 5; ++protocol) CHECK(decoded("\x80"s + protocol + "N.") == "N");
    CHECK(decoded("\x80\x06N."sv) == "malformed@0");
    CHECK(decoded("\x80\xffN."sv) == "malformed@0");
    CHECK(decoded("N\x80\x02."sv) == "malformed@1");
    CHECK(decoded("\x80\x02\x80\x02N."sv) == "malformed@2");
  }

  TEST_CASE("text ints are what a writer writes, and nothing else that int() takes") {
    for (const std::string_view good : {"0", "1", "-1", "9223372036854775807", "-9223372036854775808"}) {
      CHECK(decoded("I" + std::string(good) + "\n.") == "i" + std::string(good));
      CHECK(decoded("L" + std::string(good) + "L\n.") == "i" + std::string(good));
    }
    CHECK(decoded("I9223372036854775808\n."sv) == "i0x8000000000000000");
    CHECK(decoded("L-18446744073709551616L\n."sv) == "i-0x10000000000000000");
    CHECK(decoded("I00\n."sv) == "F");
    CHECK(decoded("I01\n."sv) == "T");
    CHECK(decoded("L-0\n."sv) == "i0");
    for (const std::string_view bad : {"", " 1", "1 ", "+1", "1_0", "0x1", "02", "007", "-", "--1", "-01", "1L", "-0", "1.0", "e", "\xd9\xa1"}) {
      CAPTURE(bad);
      CHECK(decoded("I" + std::string(bad) + "\n.") == "malformed@0");
    }
    for (const std::string_view bad : {"", "L", "1LL", "1l", "00L", "+1L", " 1L", "1_0L"}) {
      CAPTURE(bad);
      CHECK(decoded("L" + std::string(bad) + "\n.") == "malformed@0");
    }
  }

  TEST_CASE("text floats need no locale and take no hex, blanks or underscores") {
    CHECK(decoded("F0.1\n."sv) == "f3fb999999999999a");
    CHECK(decoded("F-0\n."sv) == "f8000000000000000");
    CHECK(decoded("F1e-400\n."sv) == "f0000000000000000");
    CHECK(decoded("F5e-324\n."sv) == "f0000000000000001");
    CHECK(decoded("Finf\n."sv) == "f7ff0000000000000");
    CHECK(decoded("F-Infinity\n."sv) == "ffff0000000000000");
    CHECK(decoded("Fnan\n."sv) == "f7ff8000000000000");
    for (const std::string_view bad : {"", ".", "1e", "1e+", "0x1p3", " 1", "1 ", "1_0.0", "1,5", "nan(1)", "in", "--1", "1e400"}) {
      CAPTURE(bad);
      CHECK(decoded("F" + std::string(bad) + "\n.") == "malformed@0");
    }
  }

  TEST_CASE("str is UTF-8 in which surrogates stand alone") {
    CHECK(decoded("X\x03\0\0\0\xed\xa0\x80."sv) == "seda080");
    CHECK(decoded("X\x04\0\0\0\xf4\x8f\xbf\xbf."sv) == "sf48fbfbf");
    for (const std::string_view bad : {"\x80"sv, "\xc0\x80"sv, "\xc3"sv, "\xe0\x80\x80"sv, "\xf4\x90\x80\x80"sv, "\xf8\x88\x80\x80\x80"sv, "a\xff"sv}) {
      CAPTURE(bad);
      CHECK(decoded("\x8c"s + static_cast<char>(bad.size()) + std::string(bad) + ".") == "malformed@0");
      // Long texts are checked before they are copied.
      const std::string filled = std::string(5000, 'x') + std::string(bad);
      CHECK(decoded("X"s + static_cast<char>(filled.size() & 0xFF) + static_cast<char>(filled.size() >> 8) + "\0\0"s + filled + ".") ==
            "malformed@0");
    }
    // Of two escaped surrogates no pair is made.
    CHECK(decoded("V\\ud83d\\ude00\n."sv) == "seda0bdedb880");
    CHECK(decoded("V\\U0001f600\n."sv) == "sf09f9880");
    CHECK(decoded("V\\\\u20ac\n."sv) == "s5c5c7532306163");
    for (const std::string_view bad : {"\\u12", "\\u12g4", "\\U00110000", "\\U0001f60"}) {
      CAPTURE(bad);
      CHECK(decoded("V" + std::string(bad) + "\n.") == "malformed@0");
    }
  }

  TEST_CASE("only the calls that CPython's writers write are known") {
    CHECK(decoded("cbuiltins\nset\n](K\x02K\x01" "e\x85R."sv) == "S{i1,i2}");
    CHECK(decoded("cbuiltins\nfrozenset\n]\x85R."sv) == "Z{}");
    CHECK(decoded("cbuiltins\nbytearray\nC\x02" "ab\x85R."sv) == "B6162");
    CHECK(decoded("cbuiltins\ncomplex\nG?\xf0\0\0\0\0\0\0G\0\0\0\0\0\0\0\0\x86R."sv) == "c3ff0000000000000:0000000000000000");
    for (const std::string_view bad :
         {"cos\nsystem\nX\1\0\0\0x\x85R."sv, "cbuiltins\neval\n)R."sv, "cbuiltins\nset\n)R."sv, "cbuiltins\nset\nN\x85R."sv,
          "cbuiltins\nset\n(N\x91\x85R."sv, "cbuiltins\nbytearray\nK\x05\x85R."sv, "cbuiltins\ncomplex\nK\x01K\x02\x86R."sv,
          "cbuiltins\nset."sv, "cbuiltins\nset\n."sv, "cbuiltins\nset\n2."sv, "cbuiltins\nset\n\x85."sv, "Ncbuiltins\nset\n0."sv,
          "cbuiltins\nset\n]R."sv, "]N\x85R."sv, "c__builtin__\nset\n]\x85R."sv, "c_codecs\nencode\nX\1\0\0\0xX\6\0\0\0latin1\x86R."sv,
          "N(cbuiltins\nset\n1."sv, "cbuiltins\nset.x\n)R."sv, "\x8c\x0b" "__builtin__\x8c\x03set\x93]\x85R."sv}) {
      CAPTURE(bad);
      const std::string verdict = decoded(bad);
      CHECK((verdict.starts_with("refused@") || verdict.starts_with("truncated@")));
    }
  }

  TEST_CASE("Python 2's names are read where the limits say so") {
    for (const std::string_view pickle :
         {"\x80\x02" "c__builtin__\nset\nq\0](K\x01" "e\x85R."sv, "\x80\x02" "c__builtin__\nbytearray\nq\0)R."sv,
          "\x80\x02" "c_codecs\nencode\nq\0X\x02\0\0\0\xc3\xbfX\6\0\0\0latin1\x86R."sv, "\x80\x02" "c__builtin__\nbytes\nq\0)R."sv}) {
      CAPTURE(pickle);
      CHECK(decoded(pickle).starts_with("refused@"));
    }
    CHECK(decoded("\x80\x02" "c__builtin__\nset\nq\0](K\x01" "e\x85R."sv, with_python2_names()) == "S{i1}");
    CHECK(decoded("\x80\x02" "c_codecs\nencode\nq\0X\x02\0\0\0\xc3\xbfX\6\0\0\0latin1\x86R."sv, with_python2_names()) == "bff");
    CHECK(decoded("\x80\x02" "c__builtin__\nbytes\nq\0)R."sv, with_python2_names()) == "b");
    CHECK(decoded("\x80\x02" "cbuiltins\nbytes\nq\0)R."sv, with_python2_names()) == "b");  // fix_imports=False
    CHECK(decoded("\x80\x02" "cbuiltins\nbytes\nq\0)R."sv) == "refused@2");
    CHECK(decoded("c_codecs\nencode\nX\x03\0\0\0\xe2\x82\xacX\6\0\0\0latin1\x86R."sv, with_python2_names()) == "refused@36");
  }

  TEST_CASE("what GET fetches is shared, and what was never put cannot be fetched") {
    CHECK(decoded("]q\0h\0\x86."sv) == "t(l[],@1)");
    CHECK(decoded("h\0."sv) == "malformed@0");
    CHECK(decoded("Nq\0" "0h\1."sv) == "malformed@4");
    CHECK(decoded("g-1\n."sv) == "malformed@0");
    CHECK(decoded("g01\n."sv) == "malformed@0");
    CHECK(decoded("j\xff\xff\xff\xff."sv) == "malformed@0");
    // MEMOIZE counts the entries, whatever their numbers are.
    CHECK(decoded("]q\5(K\1\x94K\2\x94h\1h\2eh\5\x86."sv) == "t(l[i1,i2,i1,i2],@1)");
    CHECK(decoded("K\1q\0" "0K\2q\0" "0h\0."sv) == "i2");
  }
}
