#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <string>
#include <vector>

#include <pfcore/canon.hpp>
#include <pfcore/pickle_reader.hpp>
#include <pfcore/pickle_writer.hpp>
#include <pfcore/value_builder.hpp>

#include "pickles.hpp"

using namespace pf::core;
using namespace std::string_literals;
using pf::test::decoded;

namespace {

// The canonical texts of what was built, and of what a reader makes of its pickle.
std::array<std::string, 2> texts_of(const Document& document, int protocol = 4) {
  return {canonical_text(document.root()), decoded(pf::test::encoded(document.root(), protocol))};
}

}  // namespace

TEST_SUITE("pfcore/value_builder") {
  TEST_CASE("all kinds of values are built and written") {
    ValueBuilder build;
    const std::vector<Value> values{
        Value(), build.boolean(true), build.integer(-7), build.integer("\x00\x00\x00\x00\x00\x00\x00\x00\x01"s), build.floating(1.5),
        build.complex({1, -0.0}), build.str("h\xC3\xA9"), build.str(""), build.bytes("\x00\xFF"s), build.bytearray("ab"),
        build.tuple({}), build.frozenset(std::array{build.integer(3)})};
    const Value list = build.list();
    build.fill(list, values);
    const std::string text =
        "l[N,T,i-7,i0x10000000000000000,f3ff8000000000000,c3ff0000000000000:8000000000000000,s68c3a9,s,b00ff,B6162,t(),Z{i3}]";
    CHECK(texts_of(build.finish(list)) == std::array{text, text});
  }

  TEST_CASE("an int of few bytes is an integer, of whatever sign") {
    ValueBuilder build;
    CHECK(build.integer("").as_int() == 0);
    CHECK(build.integer("\xFF").as_int() == -1);
    CHECK(build.integer("\x80\x00\x00"s).as_int() == 128);
    CHECK(build.integer("\x00\x80"s).as_int() == -32768);
    CHECK(build.integer("\x00\x00\x00\x00\x00\x00\x00\x80"s).as_int() == std::numeric_limits<std::int64_t>::min());
    CHECK(build.integer("\x00\x00\x00\x00\x00\x00\x00\x80\x00"s).as_big_int() == "\x00\x00\x00\x00\x00\x00\x00\x80\x00"s);
  }

  TEST_CASE("a container may lead back to itself, and one that stands twice is one") {
    ValueBuilder build;
    const Value list = build.list();
    const Value twice = build.tuple(std::array{build.integer(1)});
    const Value dict = build.dict();
    build.fill(dict, std::array{build.str("k"), build.again(list)});
    build.fill(list, std::array{dict, build.again(twice), build.again(twice)});
    const std::string text = "l[d{s6b=@0},t(i1),@2]";
    const Document document = build.finish(list);
    CHECK(texts_of(document) == std::array{text, text});
    CHECK(texts_of(document, 2)[1] == text);
    CHECK(document.root().items()[0].find("k")->identity() == document.root().identity());
  }

  TEST_CASE("many values, and one larger than a block, stay where they are") {
    ValueBuilder build;
    std::vector<Value> values;
    for (int i = 0; i < 20'000; ++i) values.push_back(build.str(std::to_string(i)));
    values.push_back(build.bytes(std::string(300'000, 'x')));
    values.push_back(build.str("last"));
    const Document document = build.finish(build.tuple(values));
    REQUIRE(document.root().items().size() == 20'002);
    CHECK(document.root().items()[19'999].as_str() == "19999");
    CHECK(document.root().items()[20'000].as_bytes()->size() == 300'000);
    CHECK(document.root().items()[20'001].as_str() == "last");
    CHECK(build.finish(build.integer(1)).root().as_int() == 1);   // a builder can be used again
  }
}
