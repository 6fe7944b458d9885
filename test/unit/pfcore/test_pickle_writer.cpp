#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "pickles.hpp"

using namespace pf::core;
using namespace std::string_literals;
using namespace std::string_view_literals;
using pf::test::decoded;
using pf::test::encoded;
using pf::test::k_all_kinds;
using pf::test::repeated;

namespace {

std::string written(const std::function<void(PickleWriter&)>& calls, int protocol = 4) {
  PickleWriter writer(protocol);
  calls(writer);
  return writer.finish();
}

// Between the header of protocol 4 and STOP.
std::string body(const std::string& pickle) {
  REQUIRE(pickle.size() >= 12);
  REQUIRE(pickle.starts_with("\x80\x04\x95"));
  CHECK(static_cast<std::uint8_t>(pickle[3]) == ((pickle.size() - 11) & 0xFF));
  return pickle.substr(11, pickle.size() - 12);
}

std::string body_of(const std::function<void(PickleWriter&)>& calls) { return body(written(calls)); }

std::string of_integer(std::int64_t number) {
  return body_of([&](PickleWriter& writer) { writer.integer(number); });
}

std::string of_text(std::string_view text) {
  return body_of([&](PickleWriter& writer) { writer.str(text); });
}

Limits all_names() {
  Limits limits = Limits::result();
  limits.python2_names = true;
  return limits;
}

// Pickles whose values are shared, cyclic, or large.
const std::vector<std::string>& difficult_pickles() {
  static const std::vector<std::string> pickles{
      std::string(k_all_kinds),
      "]q\0h\0a."s,                              // a list in itself
      "]q\0(h\0h\0ta."s,                         // a list in a tuple in itself
      "(]q\0tq\1h\0(h\1h\1e0."s,             // a tuple in a list in itself
      "](]q\0}q\1(K\1h\0K\2h\1uh\0h\1e."s,       // a dict in itself
      "(K\1\x85q\0\x8f(h\0\x90h\0h\0t."s,        // a tuple in a set and beside it
      "((K\1\x91q\0h\0}h\0h\0st."s,              // a frozenset as key and value
      "](\x96\1\0\0\0\0\0\0\0zq\0h\0e."s,        // a bytearray twice
      "](" + repeated("K\7", 2500) + "e.",
      "}(" + [] {
        std::string entries;
        for (int i = 0; i < 2500; ++i) entries += "M"s + static_cast<char>(i & 0xFF) + static_cast<char>(i >> 8) + "N";
        return entries;
      }() + "u.",
      "]" + repeated("]", 5000) + repeated("a", 5000) + ".",
      ")" + repeated("\x85", 5000) + ".",
      "X\x20\x4e\0\0"s + std::string(20'000, 'x') + "q\0h\0\x86."s,
      "B\x20\x4e\0\0"s + std::string(20'000, 'x') + "q\0h\0\x86."s,
  };
  return pickles;
}

}  // namespace

TEST_SUITE("pfcore/pickle_writer") {
  TEST_CASE("a pickle is a protocol, a frame and STOP") {
    CHECK(written([](PickleWriter& writer) { writer.none(); }) == "\x80\x04\x95\x02\0\0\0\0\0\0\0N."s);
    CHECK(written([](PickleWriter& writer) { writer.none(); }, 5) == "\x80\x05\x95\x02\0\0\0\0\0\0\0N."s);
    CHECK(written([](PickleWriter& writer) { writer.none(); }, 2) == "\x80\x02N."s);
  }

  TEST_CASE("a protocol that is not written becomes the next lower one") {
    const auto first_bytes = [](int protocol) { return PickleWriter(protocol).finish().substr(0, 2); };
    CHECK(first_bytes(0) == "\x80\x02");
    CHECK(first_bytes(3) == "\x80\x02");
    CHECK(first_bytes(4) == "\x80\x04");
    CHECK(first_bytes(9) == "\x80\x05");
  }

  TEST_CASE("an int takes the shortest opcode") {
    CHECK(of_integer(0) == "K\0"s);
    CHECK(of_integer(255) == "K\xff");
    CHECK(of_integer(256) == "M\0\1"s);
    CHECK(of_integer(65'535) == "M\xff\xff");
    CHECK(of_integer(65'536) == "J\0\0\1\0"s);
    CHECK(of_integer(-1) == "J\xff\xff\xff\xff");
    CHECK(of_integer(2'147'483'647) == "J\xff\xff\xff\x7f");
    CHECK(of_integer(2'147'483'648) == "\x8a\x05\0\0\0\x80\0"s);
    CHECK(of_integer(-2'147'483'648) == "J\0\0\0\x80"s);
    CHECK(of_integer(-2'147'483'649) == "\x8a\x05\xff\xff\xff\x7f\xff"s);
    CHECK(of_integer(std::numeric_limits<std::int64_t>::max()) == "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"s);
    CHECK(of_integer(std::numeric_limits<std::int64_t>::min()) == "\x8a\x08\0\0\0\0\0\0\0\x80"s);
    CHECK(body_of([](PickleWriter& writer) { writer.uinteger(7); }) == "K\7");
    CHECK(body_of([](PickleWriter& writer) { writer.uinteger(~std::uint64_t{0}); }) ==
          "\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\0"s);
  }

  TEST_CASE("floats are big-endian and keep their bits") {
    CHECK(body_of([](PickleWriter& writer) { writer.floating(1.0); }) == "G?\xf0\0\0\0\0\0\0"s);
    CHECK(body_of([](PickleWriter& writer) { writer.floating(-0.0); }) == "G\x80\0\0\0\0\0\0\0"s);
  }

  TEST_CASE("bools are no ints") {
    CHECK(body_of([](PickleWriter& writer) { writer.boolean(true); }) == "\x88");
    CHECK(body_of([](PickleWriter& writer) { writer.boolean(false); }) == "\x89");
  }

  TEST_CASE("strings of 2 to 1,024 bytes are memoised and written once") {
    CHECK(of_text("") == "\x8c\0"s);
    CHECK(of_text("a") == "\x8c\1"
                          "a");
    CHECK(of_text("ab") == "\x8c\2"
                           "ab\x94");
    CHECK(of_text(std::string(255, 'x')).starts_with("\x8c\xff"));
    CHECK(of_text(std::string(256, 'x')).starts_with("X\0\1\0\0"s));
    CHECK(of_text(std::string(1024, 'x')).ends_with("\x94"));
    CHECK(of_text(std::string(1025, 'x')).ends_with("x"));
    CHECK(body_of([](PickleWriter& writer) {
            writer.begin_list();
            for (const std::string_view text : {"ab"sv, "cd"sv, "ab"sv, "cd"sv}) writer.str(text);
            writer.end_list();
          }) == "](\x8c\2"
                "ab\x94\x8c\2"
                "cd\x94h\0h\1e"s);
  }

  TEST_CASE("without a memo of texts each is written in full, by every use of the writer") {
    PickleWriter writer(4, PickleWriter::TextMemo::off);
    for (int use = 0; use < 2; ++use) {
      writer.begin_list();
      writer.str("twice");
      writer.str("twice");
      writer.end_list();
      const std::string pickle = writer.finish();
      CHECK(pickle.find("twice") != pickle.rfind("twice"));
      const auto document = decode_pickle(pickle, Limits::control());
      REQUIRE(document.ok());
      REQUIRE(document->root().items().size() == 2);
      for (const Value& text : document->root().items()) CHECK(text.as_str() == "twice");
    }
  }

  TEST_CASE("any number of strings is memoised right") {
    const auto write = [](PickleWriter& writer) {
      writer.begin_list();
      for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < 3000; ++i) writer.str("text " + std::to_string(i));
      }
      writer.end_list();
    };
    Document document = decode_pickle(written(write), Limits::result()).value();
    const auto items = document.root().items();
    REQUIRE(items.size() == 6000);
    std::size_t right = 0;
    for (std::size_t i = 0; i < items.size(); ++i) right += items[i].as_str() == "text " + std::to_string(i % 3000) ? 1 : 0;
    CHECK(right == items.size());
  }

  TEST_CASE("bytes are written each time") {
    CHECK(body_of([](PickleWriter& writer) { writer.bytes("\0\xff"sv); }) == "C\2\0\xff"s);
    CHECK(body_of([](PickleWriter& writer) { writer.bytes(std::string(256, 'x')); }).starts_with("B\0\1\0\0"s));
    CHECK(decoded(written([](PickleWriter& writer) { writer.bytes("\0\xff"sv); }, 2), all_names()) == "b00ff");
    CHECK(decoded(written([](PickleWriter& writer) { writer.bytes({}); }, 2), all_names()) == "b");
  }

  TEST_CASE("empty containers need no mark") {
    CHECK(body_of([](PickleWriter& writer) { writer.begin_tuple(); writer.end_tuple(); }) == ")");
    CHECK(body_of([](PickleWriter& writer) { writer.begin_list(); writer.end_list(); }) == "]");
    CHECK(body_of([](PickleWriter& writer) { writer.begin_dict(); writer.end_dict(); }) == "}");
  }

  TEST_CASE("lists and dicts are filled a thousand at a time") {
    for (const int size : {999, 1000, 1001, 2000, 2001}) {
      CAPTURE(size);
      const std::string list = written([&](PickleWriter& writer) {
        writer.begin_list();
        for (int i = 0; i < size; ++i) writer.none();
        writer.end_list();
      });
      CHECK(std::count(list.begin() + 11, list.end(), 'e') == (size + 999) / 1000);
      CHECK(decode_pickle(list, Limits::result())->root().items().size() == static_cast<std::size_t>(size));
      const std::string dict = written([&](PickleWriter& writer) {
        writer.begin_dict();
        for (int i = 0; i < size; ++i) { writer.integer(i + 1'000'000); writer.none(); }
        writer.end_dict();
      });
      CHECK(decode_pickle(dict, Limits::result())->root().entries().size() == static_cast<std::size_t>(size));
    }
  }

  TEST_CASE("a field is a key and a value of its type") {
    const std::string pickle = written([](PickleWriter& writer) {
      writer.begin_dict();
      writer.field("a", "text");
      writer.field("b", "text"sv);
      writer.field("c", "text"s);
      writer.field("d", std::int64_t{-1});
      writer.field("e", ~std::uint64_t{0});
      writer.field("f", 1);
      writer.field("g", 2u);
      writer.field("h", 0.5);
      writer.field("i", true);
      writer.field_bytes("j", "b");
      writer.end_dict();
    });
    CHECK(decoded(pickle) ==
          "d{s61=s74657874,s62=s74657874,s63=s74657874,s64=i-1,s65=i0xffffffffffffffff,s66=i1,s67=i2,s68=f3fe0000000000000,s69=T,"
          "s6a=b62}");
  }

  TEST_CASE("equal calls give equal bytes, and a writer starts afresh after each pickle") {
    const auto write = [](PickleWriter& writer) {
      writer.begin_dict();
      writer.field("key", "value");
      writer.field("value", "key");
      writer.end_dict();
      return writer.finish();
    };
    PickleWriter writer;
    const std::string first = write(writer);
    CHECK(write(writer) == first);
    writer.str(std::string(1 << 20, 'x'));
    (void)writer.finish();
    writer.begin_list();
    for (int i = 0; i < 5000; ++i) writer.str("text " + std::to_string(i));
    writer.end_list();
    (void)writer.finish();
    CHECK(write(writer) == first);
    PickleWriter another;
    CHECK(write(another) == first);
  }

  TEST_CASE("what is written is read as the same value, identities included") {
    for (const std::string& pickle : difficult_pickles()) {
      const std::string expected = decoded(pickle);
      REQUIRE(pf::test::refusal(pickle).empty());
      CAPTURE(expected.substr(0, 100));
      for (const int protocol : {2, 4, 5}) {
        CAPTURE(protocol);
        const std::string again = encoded(decode_pickle(pickle, Limits::result())->root(), protocol);
        CHECK(decoded(again, all_names()) == expected);
        // Written once more it has the same bytes.
        CHECK(encoded(decode_pickle(again, all_names())->root(), protocol) == again);
      }
    }
  }

  TEST_CASE("a value can stand in a message that is streamed") {
    const Document document = decode_pickle(k_all_kinds, Limits::result()).value();
    const std::string pickle = written([&](PickleWriter& writer) {
      writer.begin_dict();
      writer.str("value");
      writer.value(document.root());
      writer.field("after", 1);
      writer.end_dict();
    });
    const Document read = decode_pickle(pickle, Limits::result()).value();
    CHECK(canonical_text(*read.root().find("value")) == canonical_text(document.root()));
    CHECK(read.root().find("after")->as_int() == 1);
  }

  TEST_CASE("a large text that is shared is written once") {
    const std::string text(5000, 'x');
    const std::string pickle = "](X\x88\x13\0\0"s + text + "q\0"s + repeated("h\0"sv, 100) + "e.";
    const std::string again = encoded(decode_pickle(pickle, Limits::result())->root());
    CHECK(again.size() < 2 * text.size());
    CHECK(decoded(again) == decoded(pickle));
  }
}
