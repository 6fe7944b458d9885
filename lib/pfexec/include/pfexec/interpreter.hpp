// The embedded CPython, made to look as if `python` of the target environment had started `pytest`.
#pragma once

#include <string>

#include <pfcore/result.hpp>

namespace pf::exec {

struct InterpreterOptions {
  std::string program;           // the environment's python, e.g. /venv/bin/python; decides site-packages and sys.executable
};

// Initialises CPython with PYTHON* variables and signal handlers as the plain `python` has them. PyConfig.program_name is
// all that is set: site finds pyvenv.cfg beside it by itself.
// Errors: refused (the environment is for another version than the libpython that is linked), system (CPython's text).
[[nodiscard]] core::Status start_interpreter(const InterpreterOptions& options);

}  // namespace pf::exec
