#include <doctest/doctest.h>

#include <pfctl/environment.hpp>
#include <pfctl/installation.hpp>

#include "scratch.hpp"

using namespace pf::ctl;
using pf::core::ErrorCode;
using test::contains;
using test::Scratch;

TEST_SUITE("pfctl/installation") {
  TEST_CASE("an interpreter's answer is taken apart") {
    const Scratch scratch;
    const std::string python =
        scratch.program("python", "#!/bin/sh\nprintf 'noise\\0pfast-interpreter\\0%s\\0%s\\0%s\\0%s\\0' 3.11.7 /lib/libpython3.so 9.2.0 ''\n");
    const auto facts = ask_for_facts(python, current_environment(), scratch.path());
    REQUIRE(facts.ok());
    CHECK(facts->version == "3.11.7");
    CHECK(facts->libpython == "/lib/libpython3.so");
    CHECK(facts->pytest_version == "9.2.0");
    CHECK(facts->pytest_problem.empty());
  }

  TEST_CASE("one that says something else is refused with its words") {
    const Scratch scratch;
    const std::string python = scratch.program("python", "#!/bin/sh\necho broken >&2\nexit 3\n");
    const auto facts = ask_for_facts(python, current_environment(), scratch.path());
    REQUIRE_FALSE(facts.ok());
    CHECK(facts.error().code == ErrorCode::refused);
    CHECK(contains(facts.error().message, "broken"));
    CHECK(contains(facts.error().message, python));
  }

  TEST_CASE("a forkserver that starts is known by its exit code") {
    const Scratch scratch;
    CHECK(try_forkserver(scratch.program("good", "#!/bin/sh\nexit 70\n"), current_environment()).ok());
    const auto bad = try_forkserver(scratch.program("bad", "#!/bin/sh\necho libpython3.so: cannot open >&2\nexit 127\n"), current_environment());
    REQUIRE_FALSE(bad.ok());
    CHECK(contains(bad.error().message, "libpython3.so: cannot open"));
    CHECK_FALSE(try_forkserver(scratch / "none", current_environment()).ok());
  }
}
