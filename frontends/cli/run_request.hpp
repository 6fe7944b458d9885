// What a run asks the daemon for: everything of this process that the run is to have.
#pragma once

#include <string>
#include <vector>

#include <pfcore/messages.hpp>

#include "context.hpp"

namespace pf::cli {

// Arguments, folder, environment, umask and program; the terminal is the caller's to fill in.
[[nodiscard]] core::RunRequest make_request(const Context& context, std::vector<std::string> pytest_args, core::RunOptions options);

}  // namespace pf::cli
