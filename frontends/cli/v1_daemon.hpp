// What pfast does when the daemon at the address is the predecessor's, which speaks version 1. nullopt everywhere: it is not, go on
// as usual.
#pragma once

#include <optional>

#include "context.hpp"
#include "options.hpp"

namespace pf::cli {

// Runs on that daemon. What version 1 cannot carry is refused by name. nullopt also when the daemon found itself stale and left.
[[nodiscard]] std::optional<int> run_on_v1_daemon(const Context& context, const RunOptions& options);
[[nodiscard]] std::optional<int> show_v1_daemon(const Context& context, const StatusOptions& options);
[[nodiscard]] std::optional<int> stop_v1_daemon(const Context& context, const StopOptions& options);
// For commands that it does not know.
[[nodiscard]] std::optional<int> refuse_v1_daemon(const Context& context);

}  // namespace pf::cli
