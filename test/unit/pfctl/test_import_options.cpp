#include <doctest/doctest.h>

#include <string>

#include <pfctl/import_options.hpp>

using namespace pf;
using namespace pf::ctl;

namespace {

std::string options(const core::OsStrings& argv) { return import_options(argv, "/"); }

}  // namespace

TEST_SUITE("pfctl/import_options") {
  TEST_CASE("what acts after the imports is left out, however it is written") {
    CHECK(options({}).empty());
    CHECK(options({"tests/test_a.py::test_x", "-x", "-vv", "-xvs", "-rA", "-kone", "-k", "one or two", "-m", "slow"}).empty());
    CHECK(options({"--tb=short", "--tb", "line", "--maxfail", "2", "--lf", "--durations=3", "-n", "4", "-n4"}).empty());
    CHECK(options({"-p", "no:randomly", "-pno:cacheprovider", "--deselect", "a::b", "--junitxml", "out.xml"}).empty());
    CHECK(options({"--reruns", "2", "--timeout=5", "--randomly-seed=3"}).empty());
  }

  TEST_CASE("what may act while modules are imported is kept with its value") {
    CHECK(options({"-W", "error"}) == options({"-Werror"}));
    CHECK(options({"-W", "error"}) != options({"-W", "default"}));
    CHECK_FALSE(options({"--cov=pkg"}).empty());
    CHECK(options({"--cov=pkg"}) != options({"--cov=other"}));
    CHECK_FALSE(options({"-p", "some.plugin"}).empty());
    CHECK_FALSE(options({"-o", "pythonpath=src"}).empty());
    CHECK_FALSE(options({"--assert=plain"}).empty());
  }

  TEST_CASE("an unknown option is kept, with the next argument when that is no file") {
    CHECK(options({"--greeting", "hello"}) != options({"--greeting", "bye"}));
    CHECK(options({"--slow", "tmp"}) == options({"--slow"}));     // /tmp exists: a place to run, not a value
    CHECK(options({"--slow", "-x"}) == options({"--slow"}));
  }

  TEST_CASE("a cluster ends at the first letter that takes a value") {
    CHECK(options({"-vWerror"}) == options({"-W", "error"}));
    CHECK(options({"-xk", "one"}).empty());
  }

  TEST_CASE("behind -- there are no options") {
    CHECK(options({"--", "-W", "error"}).empty());
  }

  TEST_CASE("what keys can be listed, argument by argument") {
    CHECK(list_import_options({"-x", "-W", "error", "--cov=pkg", "-k", "one"}, "/") == pf::core::OsStrings{"-W", "error", "--cov=pkg"});
    CHECK(list_import_options({"-x"}, "/").empty());
  }

  TEST_CASE("an editor's plugin is the run's and not the generation's") {
    using pf::core::OsStrings;
    const std::vector<std::string> named = {"my_editor"};
    CHECK(without_session_plugins({"-p", "vscode_pytest", "-x", "tests"}, {}) == OsStrings{"-x", "tests"});
    CHECK(without_session_plugins({"-pvscode_pytest", "-p", "my_editor"}, named).empty());
    CHECK(without_session_plugins({"-p", "my_editor", "-p", "other"}, {}) == OsStrings{"-p", "my_editor", "-p", "other"});
    CHECK(without_session_plugins({"-p", "no:vscode_pytest", "-p"}, named) == OsStrings{"-p", "no:vscode_pytest", "-p"});
    CHECK(without_session_plugins({"-x", "--", "-p", "my_editor"}, named) == OsStrings{"-x", "--", "-p", "my_editor"});
  }
}
