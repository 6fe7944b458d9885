#include "watcher.hpp"

#include <string>
#include <vector>

#include <pfctl/watch_service.hpp>

#include "say.hpp"

namespace pf::cli {

std::int64_t ensure_watcher(const Context& context) {
  std::vector<std::string> arguments{"--root", context.root, "--python", context.interpreter.executable};
  if (context.explicit_address) arguments.insert(arguments.end(), {"--address", context.address.socket_path()});
  const auto pid = ctl::start_watcher(context.address, find_program("pfast-watch"), arguments, context.env, context.cwd);
  if (!pid) {
    note("there will be no watcher: failed to " + pid.error().message);
    return 0;
  }
  if (*pid != 0) note("a watcher was started (log: " + ctl::watcher_log_path(context.address) + ")");
  return *pid;
}

}  // namespace pf::cli
