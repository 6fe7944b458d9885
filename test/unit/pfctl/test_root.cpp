#include <doctest/doctest.h>

#include <pfctl/environment.hpp>
#include <pfctl/root.hpp>

#include "scratch.hpp"

using namespace pf::ctl;
using test::Scratch;

TEST_SUITE("pfctl/root") {
  TEST_CASE("the nearest folder with pytest's configuration is the root") {
    const Scratch scratch;
    const std::string deep = scratch.folder("a/b/c");
    scratch.folder("a/b/.git");
    for (const char* name : {"pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini"}) {
      const std::string file = scratch.file(std::string("a/") + name);
      CHECK(find_root(deep, {}) == scratch / "a");
      std::filesystem::remove(file);
    }
    CHECK(find_root(deep, {}) == scratch / "a/b");
  }

  TEST_CASE("configuration wins over a version control folder that is nearer") {
    const Scratch scratch;
    scratch.file("tox.ini", "[tox]\nenvlist = py311\n\n[pytest]\naddopts = -q\n");
    scratch.folder("sub/.git");
    CHECK(find_root(scratch.folder("sub/tests"), {}) == scratch.path());
  }

  TEST_CASE("shared files count only with pytest's section") {
    struct Case { const char* name; const char* content; bool counts; };
    const Case cases[] = {
        {"tox.ini", "[tox]\n", false},
        {"tox.ini", "[pytest]\n", true},
        {"tox.ini", "  [pytest]\n", false},
        {"setup.cfg", "[metadata]\nname = pytest\n", false},
        {"setup.cfg", "[tool:pytest]\r\n", true},
        {"setup.cfg", "[pytest]\n", false},
        {"pyproject.toml", "[project]\ndependencies = [\"pytest\"]\n", false},
        {"pyproject.toml", "[tool.pytest.ini_options]\naddopts = '-q'\n", true},
        {"pyproject.toml", "[ tool . \"pytest\" . ini_options ]  # ours\n", true},
        {"pyproject.toml", "[tool.pytest]\n", true},
        {"pyproject.toml", "[tool.pytest-asyncio]\n", false},
        {"pyproject.toml", "# [tool.pytest]\n", false},
        {"pyproject.toml", "tool.pytest.ini_options.addopts = \"-q\"\n", true},
        {"pyproject.toml", "[tool]\npytest.ini_options = {}\n", true},
        {"pyproject.toml", "[other]\ntool.pytest = 1\n", false},
    };
    for (const Case& each : cases) {
      const Scratch scratch;
      CAPTURE(each.content);
      scratch.file(each.name, each.content);
      CHECK(has_pytest_configuration(scratch.path()) == each.counts);
    }
  }

  TEST_CASE("without configuration and version control the current folder is the root") {
    const Scratch scratch;
    // A configuration above the scratch folder would be found: there is none in a temporary folder.
    const std::string deep = scratch.folder("x/y");
    CHECK(find_root(deep, {}) == deep);
  }

  TEST_CASE("PFAST_ROOT names the root, absolute or relative, links resolved") {
    const Scratch scratch;
    const std::string real = scratch.folder("real");
    scratch.file("pytest.ini");
    scratch.link("alias", "real");
    CHECK(find_root(scratch.path(), {{"PFAST_ROOT", real}}) == real);
    CHECK(find_root(scratch.path(), {{"PFAST_ROOT", "alias/"}}) == real);
    CHECK(find_root(scratch.path(), {{"PYTEST_FAST_ROOT", "real"}}) == real);
    CHECK(find_root(scratch.path(), {{"PFAST_ROOT", ""}, {"PYTEST_FAST_ROOT", "real"}}) == real);
    CHECK(find_root(scratch.path(), {{"PYTEST_FAST_ROOT", "/"}, {"PFAST_ROOT", "real"}}) == real);
    CHECK(find_root(scratch.path(), {{"PFAST_ROOT", "missing"}}) == scratch / "missing");
  }

  TEST_CASE("two ways to the same folder give one root") {
    const Scratch scratch;
    scratch.file("real/pytest.ini");
    scratch.folder("real/tests");
    scratch.link("alias", "real");
    CHECK(find_root(scratch / "alias/tests", {}) == find_root(scratch / "real/tests", {}));
  }
}

TEST_SUITE("pfctl/environment") {
  TEST_CASE("the first entry of a name counts, as for getenv") {
    const pf::core::Environment env = {{"A", "1"}, {"A", "2"}, {"EMPTY", ""}};
    CHECK(find_env(env, "A") == "1");
    CHECK(find_env(env, "EMPTY") == "");
    CHECK_FALSE(find_env_text(env, "EMPTY").has_value());
    CHECK_FALSE(find_env(env, "B").has_value());
  }

  TEST_CASE("the current environment is copied as bytes") {
    ::setenv("PFCTL_TEST_BYTES", "a=b\xff", 1);
    CHECK(find_env(current_environment(), "PFCTL_TEST_BYTES") == "a=b\xff");
    ::unsetenv("PFCTL_TEST_BYTES");
  }
}
