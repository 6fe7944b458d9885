#include <doctest/doctest.h>

#include <cerrno>
#include <memory>
#include <set>
#include <string>

#include <pfcore/result.hpp>

using namespace pf::core;

TEST_SUITE("pfcore/result") {
  TEST_CASE("a result is good or bad, whatever its value is") {
    CHECK(Result<bool>(false).ok());
    CHECK(Result<int>(0).ok());
    CHECK_FALSE(Result<int>(Error{ErrorCode::closed, "gone"}).ok());
    CHECK(ok_status().ok());
  }

  TEST_CASE("a value that can only be moved goes through a result") {
    Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
    REQUIRE(result);
    const std::unique_ptr<int> taken = *std::move(result);
    CHECK(*taken == 7);
  }

  TEST_CASE("a result of an error can be told from an error") {
    const Result<std::string> text(std::string("failed"));
    REQUIRE(text);
    CHECK(*text == "failed");
    CHECK(text->size() == 6);
  }

  TEST_CASE("every code has a name of its own") {
    std::set<std::string_view> names;
    for (int code = 0; code <= static_cast<int>(ErrorCode::system); ++code) names.insert(to_string(static_cast<ErrorCode>(code)));
    CHECK(names.size() == static_cast<std::size_t>(ErrorCode::system) + 1);
    CHECK_FALSE(names.contains("unknown"));
    CHECK(to_string(static_cast<ErrorCode>(200)) == "unknown");
  }

  TEST_CASE("an errno becomes a message, and is kept") {
    const Error error = Error::from_errno("open the log '/x'", ENOSPC);
    CHECK(error.code == ErrorCode::system);
    CHECK(error.message == "open the log '/x': No space left on device");
    CHECK(error.sys_errno == ENOSPC);
  }

  TEST_CASE("context stands before the message and changes nothing else") {
    const Error error = Error{ErrorCode::limit, "too long", 5, 12}.with_context("read the config");
    CHECK(error.message == "read the config: too long");
    CHECK(error.code == ErrorCode::limit);
    CHECK(error.sys_errno == 5);
    CHECK(error.offset == 12);
  }
}
