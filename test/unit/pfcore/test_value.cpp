#include <doctest/doctest.h>

#include <bit>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

#include <pfcore/value.hpp>

#include "pickles.hpp"

using namespace pf::core;
using namespace std::string_view_literals;

namespace {

using pf::test::encoded;

Document document_of(std::string_view pickle) { return decode_pickle(pickle, Limits::result()).value(); }

// Which of the as_… functions answer, a letter each.
std::string answers(const Value& value) {
  std::string letters;
  if (value.is_none()) letters += 'N';
  if (value.as_bool()) letters += 'b';
  if (value.as_int()) letters += 'i';
  if (value.as_big_int()) letters += 'I';
  if (value.as_number()) letters += 'n';
  if (value.as_float()) letters += 'f';
  if (value.as_complex()) letters += 'c';
  if (value.as_str()) letters += 's';
  if (value.as_bytes()) letters += 'B';
  if (!value.items().empty()) letters += '[';
  if (!value.entries().empty()) letters += '{';
  if (value.find("k")) letters += 'k';
  if (value.identity() != nullptr) letters += '@';
  return letters;
}

std::string answers_of(std::string_view pickle) { return answers(document_of(pickle).root()); }

constexpr auto k_complex = "cbuiltins\ncomplex\nG?\xf0\0\0\0\0\0\0G\x40\0\0\0\0\0\0\0\x86R."sv;

}  // namespace

TEST_SUITE("pfcore/value") {
  TEST_CASE("a value is None, small, and copied like a number") {
    CHECK(Value().is_none());
    CHECK(Document().root().is_none());
    CHECK(Document().heap_bytes() == 0);
    CHECK(std::is_trivially_copyable_v<Value>);
    CHECK(sizeof(Value) == 16);
  }

  TEST_CASE("a value answers for its own kind only") {
    CHECK(answers_of("N."sv) == "N");
    CHECK(answers_of("\x88."sv) == "b");  // True is no int
    CHECK(answers_of("K\x01."sv) == "in");
    CHECK(answers_of("\x8a\x09\0\0\0\0\0\0\0\0\x01."sv) == "I");
    CHECK(answers_of("G\0\0\0\0\0\0\0\0."sv) == "nf");
    CHECK(answers_of(k_complex) == "c");
    CHECK(answers_of("\x8c\0."sv) == "s");
    CHECK(answers_of("C\0."sv) == "B");
    CHECK(answers_of("\x96\0\0\0\0\0\0\0\0."sv) == "B@");
    CHECK(answers_of("N\x85."sv) == "[@");
    CHECK(answers_of(")."sv).empty());
    CHECK(answers_of("]Na."sv) == "[@");
    CHECK(answers_of("]."sv) == "@");
    CHECK(answers_of("}\x8c\x01kNs."sv) == "{k@");
    CHECK(answers_of("}."sv) == "@");
    CHECK(answers_of("\x8f(N\x90."sv) == "[@");
    CHECK(answers_of("\x8f."sv) == "@");
    CHECK(answers_of("(N\x91."sv) == "[@");
    CHECK(answers_of("(\x91."sv).empty());
  }

  TEST_CASE("the parts are what the pickle says") {
    CHECK(document_of("\x88."sv).root().as_bool() == true);
    CHECK(document_of("J\xfe\xff\xff\xff."sv).root().as_int() == -2);
    CHECK(document_of("J\xfe\xff\xff\xff."sv).root().as_number() == -2.0);
    const Document complex = document_of(k_complex);
    CHECK(complex.root().as_complex()->real == 1.0);
    CHECK(complex.root().as_complex()->imaginary == 2.0);
    CHECK(document_of("C\x03\0\x80\xff."sv).root().as_bytes() == "\0\x80\xff"sv);
    CHECK(document_of("\x96\x02\0\0\0\0\0\0\0\0\xff."sv).root().as_bytes() == "\0\xff"sv);
    CHECK(document_of("X\x03\0\0\0\xed\xa0\x80."sv).root().as_str() == "\xed\xa0\x80"sv);
  }

  TEST_CASE("an int is one of 64 bits where it fits, else the least number of bytes") {
    constexpr auto least = std::numeric_limits<std::int64_t>::min();
    CHECK(document_of("\x8a\x08\0\0\0\0\0\0\0\x80."sv).root().as_int() == least);
    CHECK(document_of("\x8a\x0a\0\0\0\0\0\0\0\x80\xff\xff."sv).root().as_int() == least);
    CHECK(document_of("\x8a\0."sv).root().as_int() == 0);
    const Document over = document_of("\x8a\x0b\0\0\0\0\0\0\0\x80\0\0\0."sv);
    CHECK_FALSE(over.root().as_int());
    CHECK(over.root().as_big_int() == "\0\0\0\0\0\0\0\x80\0"sv);
  }

  TEST_CASE("the bits of a signalling NaN are kept") {
    const Document document = document_of("G\x7f\xf0\0\0\0\0\0\x01."sv);
    CHECK(std::bit_cast<std::uint64_t>(*document.root().as_float()) == 0x7FF0000000000001u);
  }

  TEST_CASE("a dict keeps the order of its first keys and the last of their values") {
    const Document document = document_of("}(\x8c\x01" "bK\x01\x8c\x01" "aK\x02\x8c\x01" "bK\x03u."sv);
    const auto entries = document.root().entries();
    REQUIRE(entries.size() == 2);
    CHECK(entries[0].key.as_str() == "b");
    CHECK(entries[0].value.as_int() == 3);
    CHECK(document.root().find("a")->as_int() == 2);
    CHECK_FALSE(document.root().find("c"));
    CHECK_FALSE(document.root().find(""));
  }

  TEST_CASE("a key is found in dicts of any size") {
    for (const std::size_t size : {1u, 15u, 16u, 17u, 100u, 1024u, 1025u, 5000u}) {
      CAPTURE(size);
      PickleWriter writer;
      writer.begin_dict();
      for (std::size_t i = 0; i < size; ++i) writer.field(std::to_string(i), std::uint64_t{i});
      writer.end_dict();
      const Document document = document_of(writer.finish());
      REQUIRE(document.root().entries().size() == size);
      std::size_t found = 0;
      for (std::size_t i = 0; i < size; ++i) {
        const std::optional<Value> value = document.root().find(std::to_string(i));
        if (value && value->as_int() == static_cast<std::int64_t>(i)) ++found;
      }
      CHECK(found == size);
      CHECK_FALSE(document.root().find("no such key"));
      CHECK_FALSE(document.root().find(std::to_string(size)));
    }
  }

  TEST_CASE("bytes are no key under the same letters") {
    CHECK_FALSE(document_of("}C\x01kNs."sv).root().find("k"));
  }

  TEST_CASE("identity tells one container met twice from two that are equal") {
    const Document twice = document_of("](]q\0h\0e."sv);
    const auto shared = twice.root().items();
    CHECK(shared[0].identity() == shared[1].identity());
    CHECK(shared[0].may_be_shared());
    CHECK_FALSE(twice.root().may_be_shared());
    const Document two = document_of("](]]e."sv);
    CHECK(two.root().items()[0].identity() != two.root().items()[1].identity());
    CHECK_FALSE(two.root().items()[0].may_be_shared());
    const Document duplicated = document_of("]2\x86."sv);
    CHECK(duplicated.root().items()[0].may_be_shared());
  }

  TEST_CASE("a list may contain itself") {
    const Document document = document_of("]q\0h\0a."sv);
    const Value& list = document.root();
    CHECK(list.items()[0].identity() == list.identity());
  }

  TEST_CASE("values stay when the pickle goes and the document moves") {
    std::string pickle = encoded(document_of(pf::test::k_all_kinds).root());
    const std::string large(10'000, 'L');  // too long to be copied at once
    PickleWriter writer;
    writer.begin_list();
    writer.str(large);
    writer.bytes(large);
    writer.end_list();
    std::string pickle_of_large = writer.finish();
    Document document = document_of(pickle);
    Document document_of_large = document_of(pickle_of_large);
    const std::string before = canonical_text(document.root());
    const Value root = document.root();
    const Value root_of_large = document_of_large.root();
    std::fill(pickle.begin(), pickle.end(), 'x');
    std::fill(pickle_of_large.begin(), pickle_of_large.end(), 'x');
    const Document moved(std::move(document));
    Document assigned;
    assigned = std::move(document_of_large);
    CHECK(canonical_text(root) == before);
    CHECK(canonical_text(moved.root()) == before);
    CHECK(root_of_large.items()[0].as_str() == large);
    CHECK(root_of_large.items()[1].as_bytes() == large);
    CHECK(assigned.heap_bytes() >= 2 * large.size());
  }
}
