#include <doctest/doctest.h>

#include <pfctl/environment_key.hpp>

using namespace pf::ctl;
using pf::core::BootReady;
using pf::core::Environment;

namespace {

BootReady ready(Environment read = {}, pf::core::OsStrings absent = {}, bool whole = false) {
  BootReady out;
  out.env_read = std::move(read);
  out.env_absent = std::move(absent);
  out.env_read_whole = whole;
  return out;
}

}  // namespace

TEST_SUITE("pfctl/environment_key") {
  TEST_CASE("variables that nobody read do not key") {
    const EnvironmentKey key({{"FOO", "1"}, {"PATH", "/a"}}, ready());
    CHECK_FALSE(key.change({{"FOO", "2"}, {"PATH", "/b"}, {"NEW", "x"}}));
  }

  TEST_CASE("a variable that was read keys, in every way of changing") {
    const EnvironmentKey key({{"FOO", "1"}}, ready({{"FOO", "1"}}, {"BAR"}));
    CHECK_FALSE(key.change({{"FOO", "1"}}));
    CHECK(key.change({{"FOO", "2"}}) == "environment: FOO changed");
    CHECK(key.change({}) == "environment: FOO was removed");
    CHECK(key.change({{"FOO", "1"}, {"BAR", ""}}) == "environment: BAR was added");
  }

  TEST_CASE("what the interpreter, the C library and pytest read always keys") {
    for (const char* name : {"PYTHONPATH", "PYTHONHASHSEED", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "PYTEST_ADDOPTS",
                             "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "VIRTUAL_ENV", "OMP_NUM_THREADS"}) {
      CAPTURE(name);
      CHECK(env_rule(name) == EnvRule::always);
      const EnvironmentKey key({}, ready());
      CHECK(key.change({{name, "x"}}) == std::string("environment: ") + name + " was added");
      const EnvironmentKey set({{name, "x"}}, ready());
      CHECK_FALSE(set.change({{name, "x"}}));
      CHECK(set.change({{name, "y"}}));
      CHECK(set.change({}));
    }
  }

  TEST_CASE("once the whole environment was read everything keys but what varies by terminal, shell or test") {
    const EnvironmentKey key({{"FOO", "1"}, {"PWD", "/a"}}, ready({}, {}, true));
    CHECK(key.change({{"FOO", "2"}}));
    CHECK(key.change({}));
    CHECK(key.change({{"FOO", "1"}, {"NEW", "1"}}));
    Environment other = {{"FOO", "1"}};
    for (const char* name : {"PWD", "OLDPWD", "SHLVL", "_", "TERM", "TERM_PROGRAM", "COLUMNS", "LINES", "WINDOWID", "SSH_TTY",
                             "SSH_AUTH_SOCK", "XDG_SESSION_ID", "TMUX", "TMUX_PANE", "STY", "PFAST_X", "PYTEST_FAST_WORKERS",
                             "PYTEST_CURRENT_TEST", "LC_TERMINAL", "OUTCOME_DUMP"}) {
      CHECK(env_rule(name) == EnvRule::never);
      other.emplace_back(name, "different");
    }
    CHECK_FALSE(key.change(other));
  }

  TEST_CASE("a variable that varies by terminal keys when it was read by name") {
    const EnvironmentKey key({{"TERM", "xterm"}}, ready({{"TERM", "xterm"}}, {"SSH_TTY"}));
    CHECK(key.change({{"TERM", "dumb"}}));
    CHECK(key.change({{"TERM", "xterm"}, {"SSH_TTY", "/dev/pts/1"}}));
  }

  TEST_CASE("the client's own environment at boot is what counts, not what the process had made of it") {
    // The forkserver's environment may hold more than the client's.
    const EnvironmentKey key({{"A", "1"}}, ready({{"A", "1"}, {"ADDED_BY_PFAST", "x"}}));
    CHECK_FALSE(key.change({{"A", "1"}}));
  }

  TEST_CASE("order and repeated names do not matter") {
    const EnvironmentKey key({{"LANG", "C"}, {"TZ", "UTC"}, {"LANG", "ignored"}}, ready());
    CHECK_FALSE(key.change({{"TZ", "UTC"}, {"LANG", "C"}, {"TZ", "ignored"}}));
  }

  TEST_CASE("the predecessor's prefixes key") {
    const EnvironmentKey key({{"PYTEST_FAST_ENV_PREFIXES", "APP_, FEATURE_"}, {"APP_DB", "1"}}, ready());
    CHECK_FALSE(key.change({{"PYTEST_FAST_ENV_PREFIXES", "APP_, FEATURE_"}, {"APP_DB", "1"}}));
    CHECK(key.change({{"PYTEST_FAST_ENV_PREFIXES", "APP_, FEATURE_"}, {"APP_DB", "2"}}));
    CHECK(key.change({{"PYTEST_FAST_ENV_PREFIXES", "APP_, FEATURE_"}, {"APP_DB", "1"}, {"FEATURE_X", ""}}));
    CHECK(key.change({{"APP_DB", "1"}}));
  }

  TEST_CASE("a key of nothing suits everything") {
    CHECK_FALSE(EnvironmentKey().change({{"PYTHONPATH", "x"}}));
  }

  TEST_CASE("the names of what keys and is set") {
    const EnvironmentKey key({{"FOO", "1"}, {"TZ", "UTC"}, {"OTHER", "1"}}, ready({{"FOO", "1"}}, {"BAR"}));
    CHECK(key.names() == std::vector<std::string>{"FOO", "TZ"});
    CHECK(EnvironmentKey().names().empty());
  }
}
