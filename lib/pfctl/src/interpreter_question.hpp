// Private to pfctl.
#pragma once

#include <string>

#include <pfcore/messages.hpp>
#include <pfcore/result.hpp>
#include <pfctl/interpreter.hpp>

namespace pf::ctl {

// Runs the program in `cwd` and lets it say what interpreter it is; `source` stays empty. At most ten seconds.
// Errors: refused (it gave no answer, or is no CPython), timed_out, system.
[[nodiscard]] core::Result<Interpreter> ask_interpreter(const std::string& program, const core::Environment& env, const std::string& cwd);

}  // namespace pf::ctl
