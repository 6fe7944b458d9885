#include <doctest/doctest.h>

#include <pfctl/config.hpp>

#include "scratch.hpp"

using namespace pf::ctl;
using pf::core::Environment;
using pf::core::ErrorCode;
using test::contains;
using test::Scratch;

namespace {

Settings load(const Scratch& scratch, const Environment& env = {}) {
  auto settings = load_settings(scratch.path(), env);
  if (!settings) FAIL(settings.error().message);
  return std::move(*settings);
}

std::string complaint(const Scratch& scratch, const Environment& env = {}) {
  auto settings = load_settings(scratch.path(), env);
  return settings ? "accepted" : settings.error().message;
}

}  // namespace

TEST_SUITE("pfctl/config") {
  TEST_CASE("without files and variables the defaults hold") {
    const Scratch scratch;
    const Settings settings = load(scratch);
    CHECK(settings.workers == -1);
    CHECK(settings.dist == "auto");
    CHECK(settings.ttl_s == 600);
    CHECK(settings.scope == "asked");
    CHECK(settings.sources.empty());
  }

  TEST_CASE("every key of [tool.pfast] is read, and its place remembered") {
    const Scratch scratch;
    scratch.file("pyproject.toml",
                 "[project]\nname = 'x'\n[tool.pfast]\nworkers = 3\ndist = 'loadfile'\nreporter = 'pytest'\nttl = 1.5\n"
                 "boot-timeout = 300\nmemory = 2048\ntimeout = 30\nretries = 2\nscope = 'all'\nstart-method = 'fork'\npython = '.venv'\n"
                 "max-worker-restart = 3\nnice = 5\nmemory-floor = 100\ncheckpoints = 12\n");
    const Settings settings = load(scratch);
    CHECK(settings.checkpoints == 12);
    CHECK(settings.workers == 3);
    CHECK(settings.dist == "loadfile");
    CHECK(settings.reporter == "pytest");
    CHECK(settings.ttl_s == 1.5);
    CHECK(settings.boot_timeout_s == 300);
    CHECK(settings.memory_mib == 2048);
    CHECK(settings.timeout_s == 30);
    CHECK(settings.retries == 2);
    CHECK(settings.scope == "all");
    CHECK(settings.start_method == "fork");
    CHECK(settings.max_worker_restart == 3);
    CHECK(settings.nice == 5);
    CHECK(settings.memory_floor_mib == 100);
    CHECK(settings.python == scratch / ".venv");
    CHECK(settings.sources.at("dist") == scratch / "pyproject.toml:5");
  }

  TEST_CASE("pfast.toml has the keys at its top level and replaces pyproject's table") {
    const Scratch scratch;
    scratch.file("pyproject.toml", "[tool.pfast]\nworkers = 3\nretries = 1\n");
    scratch.file("pfast.toml", "workers = \"auto\"\n");
    const Settings settings = load(scratch);
    CHECK(settings.workers == -1);
    CHECK(settings.retries == 0);
  }

  TEST_CASE("the predecessor's variables win over ours, and ours over the file") {
    const Scratch scratch;
    scratch.file("pfast.toml", "workers = 1\nttl = 1\ndist = 'load'\n");
    const Settings settings = load(scratch, {{"PFAST_WORKERS", "2"}, {"PFAST_TTL", "2"}, {"PYTEST_FAST_WORKERS", "3"}});
    CHECK(settings.workers == 3);
    CHECK(settings.ttl_s == 2);
    CHECK(settings.dist == "load");
    CHECK(settings.sources.at("workers") == "PYTEST_FAST_WORKERS");
    CHECK(settings.sources.at("ttl") == "PFAST_TTL");
  }

  TEST_CASE("an unknown key is an error with file, line, key and what is known") {
    const Scratch scratch;
    scratch.file("pyproject.toml", "[tool.pfast]\n\nworker = 3\n");
    const std::string message = complaint(scratch);
    CHECK(contains(message, scratch / "pyproject.toml:3"));
    CHECK(contains(message, "unknown key 'worker' in [tool.pfast]"));
    CHECK(contains(message, "known keys: workers, dist"));
  }

  TEST_CASE("a wrong type or value is an error that tells what is right") {
    struct Case { const char* line; const char* expects; };
    const Case cases[] = {
        {"workers = 'many'", "\"auto\" or a number"}, {"workers = -1", "not -1"},     {"workers = 2.5", "\"auto\" or a number"},
        {"workers = '3'", "not \"3\""},               {"dist = 'each'", "worksteal"}, {"ttl = 0", "greater than 0"},
        {"ttl = nan", "greater than 0"},              {"ttl = inf", "greater than 0"}, {"ttl = true", "not true"},
        {"timeout = -1", "0 for none"},               {"retries = [1]", "an array"},  {"scope = 'some'", "\"asked\""},
        {"python = ''", "the path"},                  {"start-method = 'thread'", "\"forkserver\""},
        {"nice = 20", "0 to 19"},                     {"nice = -1", "0 to 19"},       {"memory-floor = -1", "0 for none"},
        {"max-worker-restart = 'many'", "a number"},  {"checkpoints = 101", "0 to 100"},
        {"reporter = {a = 1}", "a table"},            {"ttl = 1979-05-27", "a date"}, {"start_method = 'fork'", "unknown key"},
    };
    for (const Case& each : cases) {
      const Scratch scratch;
      CAPTURE(each.line);
      scratch.file("pfast.toml", std::string("\n") + each.line + "\n");
      const std::string message = complaint(scratch);
      CHECK(contains(message, scratch / "pfast.toml:2"));
      CHECK(contains(message, each.expects));
    }
  }

  TEST_CASE("a file that is no TOML is an error with its line") {
    const Scratch scratch;
    scratch.file("pfast.toml", "workers = 1\nworkers = = 2\n");
    CHECK(contains(complaint(scratch), scratch / "pfast.toml:2:"));
    CHECK(load_settings(scratch.path(), {}).error().code == ErrorCode::malformed);
  }

  TEST_CASE("a pyproject.toml that does not name pfast is none of our business") {
    const Scratch scratch;
    scratch.file("pyproject.toml", "this is = = no toml");
    CHECK(load(scratch).workers == -1);
  }

  TEST_CASE("tool.pfast that is no table is an error, an empty one is none") {
    const Scratch scratch;
    scratch.file("pyproject.toml", "[tool]\npfast = 3\n");
    CHECK(contains(complaint(scratch), "[tool.pfast]"));
    scratch.file("pyproject.toml", "[tool.pfast]\n");
    CHECK(load(scratch).workers == -1);
  }

  TEST_CASE("a file that cannot be read is an error") {
    const Scratch scratch;
    scratch.folder("pfast.toml");
    auto settings = load_settings(scratch.path(), {});
    REQUIRE_FALSE(settings.ok());
    CHECK(settings.error().code == ErrorCode::system);
    CHECK(contains(settings.error().message, "pfast.toml"));
  }

  TEST_CASE("PYTEST_FAST_WORKERS: no number is unset, less than one is an error, as int() reads it") {
    const Scratch scratch;
    const auto workers = [&](const char* text) { return load(scratch, {{"PYTEST_FAST_WORKERS", text}}).workers; };
    for (const char* text : {"", "garbage", "2.5", "auto", "1__0", "0x10", "_1"}) {
      CAPTURE(text);
      CHECK(workers(text) == -1);
    }
    CHECK(workers("4") == 4);
    CHECK(workers(" +4\n") == 4);
    CHECK(workers("1_0") == 10);
    for (const char* text : {"0", "-1", "99999999999999999999", "-99999999999999999999"}) {
      CAPTURE(text);
      CHECK(contains(complaint(scratch, {{"PYTEST_FAST_WORKERS", text}}), "PYTEST_FAST_WORKERS"));
    }
  }

  TEST_CASE("PYTEST_FAST_TTL: no number is unset, a number must be finite and positive") {
    const Scratch scratch;
    const auto ttl = [&](const char* text) { return load(scratch, {{"PYTEST_FAST_TTL", text}}).ttl_s; };
    CHECK(ttl("soon") == 600);
    CHECK(ttl("") == 600);
    CHECK(ttl("12.5") == 12.5);
    CHECK(ttl("1e2") == 100);
    for (const char* text : {"nan", "inf", "-inf", "0", "-1", "1e999"}) {
      CAPTURE(text);
      CHECK(contains(complaint(scratch, {{"PYTEST_FAST_TTL", text}}), "PYTEST_FAST_TTL"));
    }
  }

  TEST_CASE("a path of an interpreter in a file is meant from the file's folder, a name and an absolute path are kept") {
    const Scratch scratch;
    const auto python = [&](const char* value) {
      scratch.file("pfast.toml", std::string("python = '") + value + "'\n");
      return load(scratch).python;
    };
    CHECK(python("envs/test") == scratch / "envs/test");
    CHECK(python("python3.11") == "python3.11");
    CHECK(python("/usr/bin/python3") == "/usr/bin/python3");
    CHECK(load(scratch, {{"PFAST_PYTHON", "envs/test"}}).python == "envs/test");
  }

  TEST_CASE("our own variables are strict, and empty means unset") {
    const Scratch scratch;
    CHECK(load(scratch, {{"PFAST_WORKERS", ""}}).workers == -1);
    CHECK(load(scratch, {{"PFAST_WORKERS", "0"}}).workers == 0);
    CHECK(load(scratch, {{"PFAST_START_METHOD", "spawn"}}).start_method == "spawn");
    CHECK(load(scratch, {{"PFAST_TIMEOUT", "2.5"}}).timeout_s == 2.5);
    const std::string message = complaint(scratch, {{"PFAST_WORKERS", "many"}});
    CHECK(contains(message, "PFAST_WORKERS"));
    CHECK(contains(message, "unset PFAST_WORKERS"));
    CHECK(contains(complaint(scratch, {{"PFAST_DIST", "each"}}), "PFAST_DIST"));
  }

  TEST_CASE("the predecessor's other variables are taken over") {
    const Scratch scratch;
    const Settings settings = load(scratch, {{"PYTEST_FAST_ADDRESS", "/tmp/a.sock"},
                                             {"PFAST_ADDRESS", "/tmp/b.sock"},
                                             {"PYTEST_FAST_MARK", "not slow"},
                                             {"OUTCOME_DUMP", "out.json"},
                                             {"PYTEST_FAST_WORKER_HANG_TIMEOUT", "60"},
                                             {"PYTEST_FAST_WATCH_POLL", "x"},
                                             {"PYTEST_FAST_WATCH_DIRS", "src:tests, lib,"},
                                             {"PYTEST_FAST_WATCH_FILES", ""},
                                             {"PYTEST_FAST_ENV_PREFIXES", "APP_,F:X_"}});
    CHECK(settings.address == "/tmp/a.sock");
    CHECK(settings.mark == "not slow");
    CHECK(settings.dump == "out.json");
    CHECK(settings.hang_dump_s == 60);
    CHECK(settings.watch_poll_s == 0.5);
    CHECK(settings.watch_dirs == std::vector<std::string>{"src", "tests", "lib"});
    CHECK(settings.watch_files == std::vector<std::string>{});
    CHECK(settings.env_prefixes == std::vector<std::string>{"APP_", "F:X_"});
  }
}
