#include <doctest/doctest.h>

#include <pfctl/boot_scope.hpp>
#include <pfctl/rerun_arguments.hpp>

#include "scratch.hpp"

using namespace pf::ctl;
using pf::core::OsStrings;
using test::Scratch;

namespace {

struct Suite {
  Scratch scratch;
  RerunFacts facts;

  Suite() {
    for (const char* name : {"test_a.py", "test_b.py", "sub/test_c.py", "helper.py"}) scratch.file(name, "");
    RunFacts run;
    run.rootdir = scratch.path();
    run.passed = {"test_a.py::test_a", "test_a.py::test_a2", "sub/test_c.py::test_c[1]"};
    run.failed = {"test_b.py::test_b"};
    learn(facts, run);
  }
  [[nodiscard]] std::string at(const std::string& name) const { return scratch / name; }
  [[nodiscard]] OsStrings first(const OsStrings& arguments, const std::set<std::string>& edited) const {
    return first_arguments(arguments, scratch.path(), facts, edited);
  }
};

}  // namespace

TEST_SUITE("pfctl/rerun_arguments") {
  TEST_CASE("edited test files come first, and what failed elsewhere") {
    const Suite suite;
    CHECK(suite.first({"-q"}, {suite.at("test_a.py")}) == OsStrings{"-q", suite.at("test_a.py"), suite.at("test_b.py::test_b")});
    CHECK(suite.first({}, {suite.at("test_b.py")}) == OsStrings{suite.at("test_b.py")});
    CHECK(suite.first({}, {suite.at("helper.py")}) == OsStrings{suite.at("test_b.py::test_b")});
  }

  TEST_CASE("they take the place of the user's paths, and nothing outside of those is run") {
    const Suite suite;
    CHECK(suite.first({"-k", "x", "sub"}, {suite.at("sub/test_c.py"), suite.at("test_a.py")}) == OsStrings{"-k", "x", suite.at("sub/test_c.py")});
    CHECK(suite.first({"sub"}, {suite.at("test_a.py")}).empty());
    CHECK(suite.first({"test_a.py::test_a"}, {suite.at("test_a.py")}).empty());
  }

  TEST_CASE("a file that is new is found by its name, in a folder in which files came or went") {
    const Suite suite;
    suite.scratch.file("sub/test_new.py", "");
    suite.scratch.file("sub/helper_new.py", "");
    CHECK(suite.first({}, {suite.at("sub")}) == OsStrings{suite.at("sub/test_new.py"), suite.at("test_b.py::test_b")});
    CHECK(suite.first({"sub"}, {suite.at("gone.py")}).empty());
  }

  TEST_CASE("the rest is everything without what the first stage has run") {
    const Suite suite;
    RunFacts first;
    first.passed = {"test_a.py::test_a", "test_a.py::test_a2"};
    first.failed = {"test_b.py::test_b"};
    CHECK(rest_arguments({"-q", "sub"}, suite.facts, {suite.at("test_a.py")}, first) ==
          OsStrings{"-q", "sub", "--deselect=test_a.py::", "--deselect=test_b.py::test_b"});
  }

  TEST_CASE("a node id that another one begins with is run twice, so that the other one is run at all") {
    Suite suite;
    RunFacts more;
    more.passed = {"test_b.py::test_b2"};
    learn(suite.facts, more);
    RunFacts first;
    first.failed = {"test_b.py::test_b"};
    CHECK(rest_arguments({}, suite.facts, {}, first).empty());
  }

  TEST_CASE("what failed last is what the last run of it says, as long as its file is there") {
    Suite suite;
    CHECK(failed_arguments({"-x"}, suite.scratch.path(), suite.facts) == OsStrings{"-x", suite.at("test_b.py::test_b")});
    RunFacts mended;
    mended.passed = {"test_b.py::test_b"};
    mended.failed = {"test_gone.py::test_gone"};
    learn(suite.facts, mended);
    CHECK(failed_arguments({"-x"}, suite.scratch.path(), suite.facts).empty());
  }

  TEST_CASE("tests that a run of their whole file does not name are no more") {
    Suite suite;
    RunFacts renamed;
    renamed.passed = {"test_b.py::test_other"};
    forget(suite.facts, {suite.at("test_b.py")}, false);
    learn(suite.facts, renamed);
    CHECK(suite.facts.failed.empty());
    CHECK_FALSE(suite.facts.nodeids.contains("test_b.py::test_b"));
    CHECK(suite.facts.nodeids.contains("test_a.py::test_a"));
    CHECK_FALSE(is_complete(suite.facts, renamed));
    forget(suite.facts, {}, true);
    learn(suite.facts, renamed);
    CHECK(is_complete(suite.facts, renamed));
  }

  TEST_CASE("arguments without paths keep options and their values") {
    const Suite suite;
    CHECK(without_paths({"-k", "sub", "sub", "-x", "test_a.py::test_a", "nothing_there"}, suite.scratch.path()) == OsStrings{"-k", "sub", "-x", "nothing_there"});
  }
}
