// Which Python a suite runs in, found without running it where that can be known.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <pfcore/messages.hpp>
#include <pfcore/result.hpp>

namespace pf::ctl {

struct Interpreter {
  std::string executable;   // absolute, not resolved: a virtual environment's own path
  std::string prefix;       // sys.prefix
  int major = 0;
  int minor = 0;
  std::string source;       // who named it: "--python", "VIRTUAL_ENV", ".venv", "beside pfast", "PATH"
};

// In this order: `wanted` (a path, a folder with bin/python, or a name on PATH), VIRTUAL_ENV, root/.venv, the one that
// `own_executable` is installed beside, python3 on PATH. The first that is named is taken or refused, never skipped.
// A launcher (pyenv's shims, mise, asdf) is asked by running it in `root`, for at most ten seconds.
// Errors: not_found (nothing there; the message tells who named it and how to mend it), timed_out, refused (it ran and
// gave no answer), system.
[[nodiscard]] core::Result<Interpreter> find_interpreter(const std::optional<std::string>& wanted, const core::Environment& env,
                                                         const std::string& root, const std::string& own_executable,
                                                         std::string_view wanted_source = "--python");

// Errors: refused, when the interpreter's version is not the one that pfast was built for.
[[nodiscard]] core::Status check_version(const Interpreter& interpreter, int major, int minor);

// Path of this process's executable, "" when /proc does not tell.
[[nodiscard]] std::string own_executable();

}  // namespace pf::ctl
