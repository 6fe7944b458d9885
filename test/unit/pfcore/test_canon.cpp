#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "pickles.hpp"

using namespace pf::core;
using namespace std::string_view_literals;
using pf::test::decoded;

TEST_SUITE("pfcore/canon") {
  TEST_CASE("scalars are written by kind, bit by bit") {
    CHECK(canonical_text(Value()) == "N");
    CHECK(decoded("\x88."sv) == "T");
    CHECK(decoded("\x89."sv) == "F");
    CHECK(decoded("I-9223372036854775808\n."sv) == "i-9223372036854775808");
    CHECK(decoded("I9223372036854775807\n."sv) == "i9223372036854775807");
    CHECK(decoded("I9223372036854775808\n."sv) == "i0x8000000000000000");
    CHECK(decoded("I-9223372036854775809\n."sv) == "i-0x8000000000000001");
    CHECK(decoded("I-18446744073709551616\n."sv) == "i-0x10000000000000000");
    CHECK(decoded("G\x80\0\0\0\0\0\0\0."sv) == "f8000000000000000");
    CHECK(decoded("G\x7f\xf8\0\0\0\0\0\x2a."sv) == "f7ff800000000002a");
    CHECK(decoded("\x8c\2\xc3\xa9."sv) == "sc3a9");
    CHECK(decoded("C\2\0\xff."sv) == "b00ff");
    CHECK(decoded("\x96\2\0\0\0\0\0\0\0\0\xff."sv) == "B00ff");
    CHECK(decoded("cbuiltins\ncomplex\nG\x80\0\0\0\0\0\0\0G?\xf0\0\0\0\0\0\0\x86R."sv) == "c8000000000000000:3ff0000000000000");
  }

  TEST_CASE("containers have brackets of their own") {
    CHECK(decoded("(K\1K\2t."sv) == "t(i1,i2)");
    CHECK(decoded("](K\1K\2e."sv) == "l[i1,i2]");
    CHECK(decoded("}(K\1K\2K\3K\4u."sv) == "d{i1=i2,i3=i4}");
    CHECK(decoded("\x8f(K\1K\2\x90."sv) == "S{i1,i2}");
    CHECK(decoded("(K\1K\2\x91."sv) == "Z{i1,i2}");
  }

  TEST_CASE("a dict is in its order, a set in the order of its texts") {
    CHECK(decoded("}(K\2N" "K\1Nu."sv) == "d{i2=N,i1=N}");
    CHECK(decoded("\x8f(K\3K\1K\2\x90."sv) == decoded("\x8f(K\2K\3K\1\x90."sv));
    CHECK(decoded("\x8f(K\x0aK\2\x90."sv) == "S{i10,i2}");
    CHECK(decoded("\x8f((K\2\x91(K\1\x91\x90."sv) == "S{Z{i1},Z{i2}}");
  }

  TEST_CASE("a container met again is a number, counted from 0 in the order of the text") {
    CHECK(decoded("](]]2e."sv) == "l[l[],l[],@2]");
    CHECK(decoded("]q\0h\0a."sv) == "l[@0]");
    CHECK(decoded("\x96\0\0\0\0\0\0\0\0002\x86."sv) == "t(B,@1)");
    CHECK(decoded("(})(\x91]2t."sv) == "t(d{},t(),Z{},l[],@2)");  // empty ones of two kinds have no number
    CHECK(decoded("\x8c\2hiq\0h\0\x86."sv) == "t(s6869,s6869)");
  }

  TEST_CASE("numbers do not depend on the order in which a set was written") {
    // The tuple in the set stands behind it again.
    CHECK(decoded("(\x8f(K\2\x85q\0K\1\x85\x90h\0t."sv) == "t(S{t(i1),t(i2)},@3)");
    CHECK(decoded("(\x8f(K\1\x85K\2\x85q\0\x90h\0t."sv) == "t(S{t(i1),t(i2)},@3)");
    // A reference in a set is sorted as a reference.
    CHECK(decoded("(K\1\x85q\0\x8f(h\0K\5\x90t."sv) == "t(t(i1),S{@1,i5})");
  }

  TEST_CASE("a text may be cut off") {
    Document document = decode_pickle("](K\1K\2e."sv, Limits::result()).value();
    CHECK(canonical_text(document.root(), 4) == "l[i1");
    CHECK(canonical_text(document.root(), 0).empty());
    CHECK(canonical_text(document.root(), 8) == "l[i1,i2]");
    // A kilobyte that is fetched a thousand times would be a megabyte.
    PickleWriter writer;
    writer.begin_list();
    for (int i = 0; i < 1000; ++i) writer.str(std::string(1000, 'x'));
    writer.end_list();
    document = decode_pickle(writer.finish(), Limits::result()).value();
    CHECK(canonical_text(document.root(), 5000).size() == 5000);
  }

  TEST_CASE("depth costs no stack") {
    const std::string pickle = pf::test::repeated("]", 10'000) + pf::test::repeated("a", 9'999) + ".";
    CHECK(decoded(pickle) == pf::test::repeated("l[", 10'000) + pf::test::repeated("]", 10'000));
  }
}
