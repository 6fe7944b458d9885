// --with-watcher: pfast-watch in the background, for the daemon of a context.
#pragma once

#include <cstdint>

#include "context.hpp"

namespace pf::cli {

// Starts it unless the address has one, and says so. What does not work out is said, too, and hinders nothing. Returns the pid of what
// was started, 0 when that is nothing.
std::int64_t ensure_watcher(const Context& context);

}  // namespace pf::cli
