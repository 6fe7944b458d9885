#include <pfexec/interpreter.hpp>

#include <Python.h>

#include <string>

namespace pf::exec {
namespace {

core::Error python_error(const PyStatus& status) {
  std::string text = "start the embedded interpreter";
  if (status.func != nullptr) text.append(": ").append(status.func);
  if (status.err_msg != nullptr) text.append(": ").append(status.err_msg);
  return core::Error{core::ErrorCode::system, std::move(text), 0, 0};
}

}  // namespace

core::Status start_interpreter(const InterpreterOptions& options) {
  PyConfig config;
  PyConfig_InitPythonConfig(&config);
  config.parse_argv = 0;
  config.install_signal_handlers = 1;

  PyStatus status = PyConfig_SetBytesString(&config, &config.program_name, options.program.c_str());
  if (!PyStatus_Exception(status)) status = PyConfig_SetBytesString(&config, &config.executable, options.program.c_str());
  if (!PyStatus_Exception(status)) status = Py_InitializeFromConfig(&config);
  PyConfig_Clear(&config);
  if (PyStatus_Exception(status)) return python_error(status);
  return core::ok_status();
}

}  // namespace pf::exec
