// Private to pfctl.
#pragma once

#include <string>
#include <vector>

#include <pfcore/messages.hpp>
#include <pfcore/result.hpp>
#include <pfctl/interpreter.hpp>

namespace pf::ctl {

struct ProgramAnswer {
  std::vector<std::string> fields;   // what it wrote as NUL "pfast-interpreter" NUL field NUL field NUL …; empty: nothing of the kind
  std::string shown;                 // the beginning of all that it printed, for a message
  int status = 0;                    // as waitpid gives it
};

// Runs arguments[0] in `cwd` without input. At most ten seconds. Errors: timed_out, system.
[[nodiscard]] core::Result<ProgramAnswer> ask_program(const std::vector<std::string>& arguments, const core::Environment& env,
                                                      const std::string& cwd);

// Runs the program in `cwd` and lets it say what interpreter it is; `source` stays empty. At most ten seconds.
// Errors: refused (it gave no answer, or is no CPython), timed_out, system.
[[nodiscard]] core::Result<Interpreter> ask_interpreter(const std::string& program, const core::Environment& env, const std::string& cwd);

}  // namespace pf::ctl
