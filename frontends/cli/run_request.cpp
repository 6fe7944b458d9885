#include "run_request.hpp"

#include <sys/stat.h>

#include <utility>

namespace pf::cli {

core::RunRequest make_request(const Context& context, std::vector<std::string> pytest_args, core::RunOptions options) {
  core::RunRequest request;
  request.argv = std::move(pytest_args);
  // In front, so that an own -m comes later and wins.
  if (!context.settings.mark.empty()) request.argv.insert(request.argv.begin(), {"-m", context.settings.mark});
  request.cwd = context.cwd;
  request.env = context.env;
  const mode_t mask = ::umask(0);
  ::umask(mask);
  request.umask = mask;
  const std::string& python = context.interpreter.executable;
  request.program = python.substr(0, python.rfind('/')) + "/pytest";
  request.options = std::move(options);
  return request;
}

}  // namespace pf::cli
