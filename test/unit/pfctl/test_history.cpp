#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <string>
#include <utility>

#include <pfctl/history.hpp>

using namespace pf;
using namespace pf::ctl;

namespace {

TestRecord record_of(float call_s, std::uint32_t day = 20'000) {
  TestRecord record;
  record.call_s = call_s;
  record.setup_s = 0.25f;
  record.shared_s = 0.5f;
  record.outcomes = 5;
  record.day = day;
  record.runs = 7;
  record.flaky = 2;
  record.shared_is_bound = true;
  return record;
}

History history_of(std::initializer_list<const char*> nodeids) {
  History history;
  float call_s = 1;
  for (const char* nodeid : nodeids) *history.change(nodeid) = record_of(call_s++);
  return history;
}

History again(const History& history) {
  auto read = History::decode(history.encode());
  REQUIRE(read.ok());
  return std::move(*read);
}

}  // namespace

TEST_SUITE("pfctl/history") {
  TEST_CASE("what is written is read again") {
    const History history = history_of({"tests/test_a.py::test_one", "tests/test_a.py::test_one[x]", "", "b", "tests/test_b.py::Test\xc3\xa9::test"});
    const History read = again(history);
    CHECK(read.size() == 5);
    CHECK(*read.find("tests/test_a.py::test_one[x]") == record_of(2));
    CHECK(*read.find("") == record_of(3));
    CHECK(*read.find("tests/test_b.py::Test\xc3\xa9::test") == record_of(5));
    CHECK(read.find("tests/test_a.py") == nullptr);
    CHECK(again(History{}).size() == 0);
  }

  TEST_CASE("neighbours share their beginnings: 62,000 tests need less than 50 bytes each") {
    History history;
    for (int i = 0; i < 62'000; ++i) {
      const std::string nodeid = "tests/package/test_module_" + std::to_string(i / 100) + ".py::TestClass::test_name[" + std::to_string(i) + "]";
      *history.change(nodeid) = record_of(1);
    }
    const std::string bytes = history.encode();
    MESSAGE("bytes: ", bytes.size());
    CHECK(bytes.size() < 62'000 * 50);
    CHECK(History::decode(bytes)->size() == 62'000);
  }

  TEST_CASE("a file that was cut off or changed anywhere is not used") {
    const std::string bytes = history_of({"a::b", "a::c", "d"}).encode();
    for (std::size_t size = 0; size < bytes.size(); ++size) CHECK_FALSE(History::decode(std::string_view(bytes).substr(0, size)).ok());
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ 0x10);
      CAPTURE(at);
      CHECK_FALSE(History::decode(changed).ok());
    }
    CHECK_FALSE(History::decode(bytes + "x").ok());
  }

  TEST_CASE("a test that is named for the first time has no times") {
    History history;
    TestRecord* record = history.change("t");
    REQUIRE(record != nullptr);
    CHECK(std::isnan(record->call_s));
    CHECK(std::isnan(record->shared_s));
    CHECK(record->runs == 0);
    CHECK(history.change(std::string(4096, 'x')) != nullptr);
    CHECK(history.change(std::string(4097, 'x')) == nullptr);
    CHECK(again(history).size() == 2);
  }

  TEST_CASE("of too many tests those are kept that ran last") {
    History history;
    for (std::uint32_t i = 0; i < History::k_most_tests + 10; ++i) {
      *history.change("test_" + std::to_string(i)) = record_of(1, 100 + (i >= 5 && i < 15 ? 0 : 1));
    }
    const History read = again(history);
    CHECK(read.size() == History::k_most_tests);
    CHECK(read.find("test_4") != nullptr);
    CHECK(read.find("test_5") == nullptr);
    CHECK(read.find("test_14") == nullptr);
    CHECK(read.find("test_15") != nullptr);
  }

  TEST_CASE("of two histories each side's news are kept") {
    History mine = history_of({"a", "b"});
    mine.settle();
    *mine.change("b") = record_of(20);
    *mine.change("c") = record_of(30);
    History theirs = history_of({"a", "b", "d"});
    *theirs.change("a") = record_of(11);
    const History both = mine.merged_into(std::move(theirs));
    CHECK(both.size() == 4);
    CHECK(both.find("a")->call_s == 11);
    CHECK(both.find("b")->call_s == 20);
    CHECK(both.find("c")->call_s == 30);
    CHECK(both.find("d")->call_s == 3);
  }

  TEST_CASE("times that make no sense are not known, whoever wrote them") {
    History history = history_of({"a"});
    history.change("a")->call_s = -1;
    history.change("a")->setup_s = std::numeric_limits<float>::infinity();
    const History read = again(history);
    CHECK(std::isnan(read.find("a")->call_s));
    CHECK(std::isnan(read.find("a")->setup_s));
    CHECK(read.find("a")->shared_s == 0.5f);
  }
}
