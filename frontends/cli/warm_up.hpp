// Has a daemon collect ahead of time: `pfast refresh` and `pfast serve`.
#pragma once

#include <string>
#include <vector>

#include <pfcore/daemon_messages.hpp>
#include <pfctl/client.hpp>

#include "context.hpp"

namespace pf::cli {

struct WarmUp {
  core::Refreshed refreshed;
  int exit_code = 0;             // not 0: the reason has been printed
};

// Warms what `pfast run ARGUMENTS` would use, and replaces every stale generation. Waits for all of it.
[[nodiscard]] WarmUp warm_up(ctl::ClientConnection& connection, const Context& context, std::vector<std::string> arguments);

}  // namespace pf::cli
