#include <doctest/doctest.h>

#include <pfctl/interpreter.hpp>

#include "scratch.hpp"

using namespace pf::ctl;
using pf::core::Environment;
using pf::core::ErrorCode;
using test::contains;
using test::Scratch;

namespace {

// Would fail if it were run: what can be known without running is known without running.
constexpr const char* k_never_run = "\x7f" "ELF not really";

// A base installation <name>/bin/python3 -> python3.<minor>, with its library folder.
std::string installation(const Scratch& scratch, const std::string& name, int minor) {
  const std::string version = "python3." + std::to_string(minor);
  scratch.program(name + "/bin/" + version, k_never_run);
  scratch.folder(name + "/lib/" + version);
  scratch.link(name + "/bin/python3", version);
  return scratch / (name + "/bin/python3");
}

std::string venv(const Scratch& scratch, const std::string& name, const std::string& base, const std::string& config) {
  scratch.file(name + "/pyvenv.cfg", config);
  return scratch.link(name + "/bin/python", base);
}

Interpreter find(const Scratch& scratch, const std::optional<std::string>& wanted, Environment env, const std::string& own = "") {
  env.emplace_back("PATH", scratch / "path");
  auto found = find_interpreter(wanted, env, scratch / "root", own);
  if (!found) FAIL(found.error().message);
  return std::move(*found);
}

std::string complaint(const Scratch& scratch, const std::optional<std::string>& wanted, Environment env) {
  env.emplace_back("PATH", scratch / "path");
  auto found = find_interpreter(wanted, env, scratch / "root", "");
  return found ? "found " + found->executable : found.error().message;
}

}  // namespace

TEST_SUITE("pfctl/interpreter") {
  TEST_CASE("the order is --python, VIRTUAL_ENV, .venv, beside pfast, PATH") {
    const Scratch scratch;
    const std::string wanted = installation(scratch, "wanted", 10);
    const std::string active = venv(scratch, "active", installation(scratch, "base", 11), "version = 3.11.2\n");
    const std::string own = installation(scratch, "own", 12);
    scratch.program("own/bin/pfast", "");
    scratch.link("path/python3", installation(scratch, "system", 13));
    const Environment env = {{"VIRTUAL_ENV", scratch / "active"}};
    scratch.folder("root");

    CHECK(find(scratch, wanted, env).source == "--python");
    CHECK(find(scratch, wanted, env).minor == 10);
    CHECK(find(scratch, std::nullopt, env).source == "VIRTUAL_ENV");
    CHECK(find(scratch, std::nullopt, env).executable == active);
    CHECK(find(scratch, std::nullopt, {}, scratch / "own/bin/pfast").source == "beside pfast");
    CHECK(find(scratch, std::nullopt, {}, scratch / "own/bin/pfast").minor == 12);
    CHECK(find(scratch, std::nullopt, {}).source == "PATH");
    CHECK(find(scratch, std::nullopt, {}).minor == 13);
    venv(scratch, "root/.venv", own, "version = 3.12.0\n");
    CHECK(find(scratch, std::nullopt, {}, scratch / "own/bin/pfast").source == ".venv");
    CHECK(find(scratch, std::nullopt, env).source == "VIRTUAL_ENV");
  }

  TEST_CASE("a virtual environment keeps its own path and prefix") {
    const Scratch scratch;
    const std::string python = venv(scratch, "env", installation(scratch, "base", 11), "version = 3.11.2\n");
    const Interpreter found = find(scratch, scratch / "env", {});
    CHECK(found.executable == python);
    CHECK(found.prefix == scratch / "env");
    CHECK(found.major == 3);
    CHECK(found.minor == 11);
  }

  TEST_CASE("the version comes from the resolved name before pyvenv.cfg, which may be out of date") {
    const Scratch scratch;
    venv(scratch, "env", installation(scratch, "base", 12), "version = 3.11.2\n");
    CHECK(find(scratch, scratch / "env", {}).minor == 12);
  }

  TEST_CASE("a copied interpreter has its version from pyvenv.cfg, in both spellings") {
    const Scratch scratch;
    scratch.program("a/bin/python", k_never_run);
    scratch.file("a/pyvenv.cfg", "home = /usr/bin\nversion = 3.9.18\n");
    CHECK(find(scratch, scratch / "a", {}).minor == 9);
    scratch.program("b/bin/python", k_never_run);
    scratch.file("b/pyvenv.cfg", "version_info=3.14.0.final.0\n");
    CHECK(find(scratch, scratch / "b", {}).minor == 14);
  }

  TEST_CASE("a plain installation's prefix is that of the resolved executable") {
    const Scratch scratch;
    scratch.link("bin/python3", installation(scratch, "base", 11));
    const Interpreter found = find(scratch, scratch / "bin/python3", {});
    CHECK(found.executable == scratch / "bin/python3");
    CHECK(found.prefix == scratch / "base");
  }

  TEST_CASE("a name is looked for on PATH") {
    const Scratch scratch;
    scratch.link("path/python3.11", installation(scratch, "base", 11));
    CHECK(find(scratch, "python3.11", {}).executable == scratch / "path/python3.11");
    CHECK(contains(complaint(scratch, "python3.12", {}), "--python names 'python3.12', which is not on PATH"));
  }

  TEST_CASE("a script is asked who it is") {
    const Scratch scratch;
    scratch.program("path/python3", "#!/bin/sh\nexec /usr/bin/python3 \"$@\"\n");
    const Interpreter found = find(scratch, std::nullopt, {});
    CHECK(found.executable.starts_with("/usr/"));
    CHECK(found.prefix == "/usr");
    CHECK(found.major == 3);
    CHECK(found.minor >= 9);
    CHECK(found.source == "PATH");
  }

  TEST_CASE("a launcher of another name is asked, in the root folder, and its noise is no trouble") {
    const Scratch scratch;
    scratch.folder("root");
    scratch.program("tools/mise", "#!/bin/sh\necho noise\npwd > " + (scratch / "where") + "\nexec /usr/bin/python3 \"$@\"\n");
    scratch.link("path/python3", "../tools/mise");
    CHECK(find(scratch, std::nullopt, {}).prefix == "/usr");
    CHECK(scratch.content("where") == scratch / "root\n");
  }

  TEST_CASE("pyenv's shim is seen through by pyenv's own rules") {
    const Scratch scratch;
    const std::string shim = scratch.program("pyenv/shims/python3", "#!/usr/bin/env bash\nexit 1\n# exec pyenv exec\n");
    scratch.link("path/python3", "/nonexistent");
    installation(scratch, "pyenv/versions/3.11.7", 11);
    installation(scratch, "pyenv/versions/3.12.1", 12);
    installation(scratch, "pyenv/versions/3.13.0", 13);
    scratch.file("pyenv/version", "3.11.7\n");
    CHECK(find(scratch, shim, {}).executable == scratch / "pyenv/versions/3.11.7/bin/python3");
    CHECK(find(scratch, shim, {}).prefix == scratch / "pyenv/versions/3.11.7");
    scratch.file("root/.python-version", "3.12.1\n3.11.7\n");
    CHECK(find(scratch, shim, {}).minor == 12);
    CHECK(find(scratch, shim, {{"PYENV_VERSION", "3.13.0:3.11.7"}}).minor == 13);
    // Only pyenv knows: it is asked, and here it fails.
    CHECK(contains(complaint(scratch, shim, {{"PYENV_VERSION", "system"}}), "exit code 1"));
  }

  TEST_CASE("a launcher without an answer is refused with what it printed") {
    const Scratch scratch;
    const std::string path = scratch.program("path/python3", "#!/bin/sh\necho 'python3: command not found' >&2\nexit 127\n");
    const std::string message = complaint(scratch, std::nullopt, {});
    CHECK(contains(message, path));
    CHECK(contains(message, "(PATH)"));
    CHECK(contains(message, "exit code 127"));
    CHECK(contains(message, "python3: command not found"));
    CHECK(contains(message, "--python"));
  }

  TEST_CASE("an environment that is gone is named, not skipped") {
    const Scratch scratch;
    scratch.link("path/python3", installation(scratch, "system", 13));
    const std::string message = complaint(scratch, std::nullopt, {{"VIRTUAL_ENV", scratch / "gone"}});
    CHECK(contains(message, "VIRTUAL_ENV names '" + (scratch / "gone") + "'"));
    CHECK(contains(message, "unset VIRTUAL_ENV"));
    venv(scratch, "root/.venv", "/nonexistent/python", "version = 3.11.2\n");
    CHECK(contains(complaint(scratch, std::nullopt, {}), scratch / "root/.venv"));
  }

  TEST_CASE("with nothing at all the message names every place") {
    const Scratch scratch;
    const std::string message = complaint(scratch, std::nullopt, {});
    CHECK(contains(message, "--python"));
    CHECK(contains(message, "VIRTUAL_ENV"));
    CHECK(contains(message, ".venv"));
    CHECK(contains(message, "PATH"));
  }

  TEST_CASE("who named the wrong path is told") {
    const Scratch scratch;
    auto found = find_interpreter(scratch.file("no-program"), {}, scratch.path(), "", "/p/pyproject.toml:3");
    REQUIRE_FALSE(found.ok());
    CHECK(found.error().code == ErrorCode::not_found);
    CHECK(contains(found.error().message, "/p/pyproject.toml:3 names"));
  }

  TEST_CASE("a version that pfast was not built for is refused") {
    const Interpreter python{"/x/python", "/x", 3, 12, "VIRTUAL_ENV"};
    CHECK(check_version(python, 3, 12).ok());
    const auto refused = check_version(python, 3, 11);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::refused);
    for (const char* part : {"/x/python", "VIRTUAL_ENV", "Python 3.12", "Python 3.11", "--python"}) CHECK(contains(refused.error().message, part));
  }

  TEST_CASE("a pfast inside site-packages belongs to that installation") {
    const Scratch scratch;
    const std::string python = venv(scratch, "env", installation(scratch, "base", 11), "version = 3.11.2\n");
    scratch.program("env/lib/python3.11/site-packages/pfast/pfast", "");
    CHECK(find(scratch, std::nullopt, {}, scratch / "env/lib/python3.11/site-packages/pfast/pfast").executable == python);
  }

  TEST_CASE("the own executable is known") { CHECK(std::filesystem::exists(own_executable())); }
}
