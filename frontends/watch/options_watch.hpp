// The command line of pfast-watch. CLI11 is used in options_watch.cpp only.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "options.hpp"

namespace pf::watch {

struct Options {
  cli::Where where;
  bool rerun = false;
  std::vector<std::string> arguments;    // with --rerun: of each run
};

[[nodiscard]] std::variant<cli::Answered, Options> parse_command_line(int argc, char** argv);

}  // namespace pf::watch
