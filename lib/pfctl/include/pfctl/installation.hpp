// What only running it tells about an interpreter and about pfast's own parts.
#pragma once

#include <string>

#include <pfcore/messages.hpp>
#include <pfcore/result.hpp>

namespace pf::ctl {

struct InterpreterFacts {
  std::string version;           // "3.11.7"
  std::string libpython;         // the shared library; empty when it was built without one
  std::string pytest_version;    // empty when pytest cannot be imported
  std::string pytest_problem;    // why: "ModuleNotFoundError: No module named 'pytest'"
};

// Runs the interpreter in `cwd`, at most ten seconds. Errors: refused (it gave no answer), timed_out, system.
[[nodiscard]] core::Result<InterpreterFacts> ask_for_facts(const std::string& python, const core::Environment& env, const std::string& cwd);

// Whether pfast-forkserver starts: whether the libpython that it was linked with is found. Errors: refused (with what the loader
// said), timed_out, system.
[[nodiscard]] core::Status try_forkserver(const std::string& program, const core::Environment& env);

}  // namespace pf::ctl
