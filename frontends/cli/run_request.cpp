#include "run_request.hpp"

#include <utility>

#include <pfctl/client_setup.hpp>

namespace pf::cli {

core::RunRequest make_request(const Context& context, std::vector<std::string> pytest_args, core::RunOptions options) {
  core::RunRequest request = ctl::make_request(context.settings, std::move(pytest_args), context.cwd, context.env);
  const std::string& python = context.interpreter.executable;
  request.program = python.substr(0, python.rfind('/')) + "/pytest";
  request.options = std::move(options);
  return request;
}

}  // namespace pf::cli
