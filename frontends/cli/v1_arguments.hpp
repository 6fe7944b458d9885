// What of a command line a daemon of version 1 can be told. Pure.
#pragma once

#include <string>
#include <vector>

#include <pfcore/messages_v1.hpp>

#include "context.hpp"
#include "options.hpp"

namespace pf::cli {

struct V1Arguments {
  std::vector<std::string> nodeids;        // as the daemon knows them: from the root on
  std::vector<std::string> refused;        // options and arguments that version 1 has no place for
  std::vector<std::string> ineffective;    // settings with where they are from: the daemon has its own
};

[[nodiscard]] V1Arguments v1_arguments(const Context& context, const RunOptions& options);

}  // namespace pf::cli
