#include "options_watch.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "exit_codes.hpp"
#include "run_arguments.hpp"
#include "say.hpp"

namespace pf::watch {
namespace {

constexpr const char* k_epilogue =
    "Without --rerun it stays in the foreground, has the daemon at the address collect again when what was collected changes, and ends\n"
    "three seconds after that daemon. `pfast serve --with-watcher` starts both.\n"
    "PYTEST_FAST_WATCH_DEBOUNCE (0.7) and PYTEST_FAST_WATCH_POLL (0.5) are seconds; PYTEST_FAST_WATCH_DIRS and PYTEST_FAST_WATCH_FILES name what is\n"
    "watched beside that.\n"
    "Exit codes: 0 it ended with its daemon, or another one watches already; 71 no daemon answers; 79 a wrong option.";

}  // namespace

std::variant<cli::Answered, Options> parse_command_line(int argc, char** argv) {
  CLI::App app("pfast-watch makes the next run warm before it is asked for.", "pfast-watch");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.set_version_flag("--version", std::string("pfast-watch ") + PF_VERSION);
  app.set_help_flag("--help", "This text");
  app.footer(k_epilogue);
  app.allow_extras();
  Options options;
  app.add_option("--address", options.where.address, "Socket of the daemon, instead of the one that root and interpreter give")->type_name("PATH");
  app.add_option("--root", options.where.root, "Folder that names the daemon, instead of the one that is found")->type_name("DIR");
  app.add_option("--python", options.where.python, "Interpreter or virtual environment of the suite")->type_name("PATH");
  app.add_flag("--rerun", options.rerun, "Runs tests at once and after each save; every other argument is one of `pfast run`");

  const cli::RunArguments arguments(std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
  std::vector<std::string> words = arguments.visible();
  std::reverse(words.begin(), words.end());     // as CLI11 takes a vector
  try {
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return cli::Answered{app.exit(error)};
    return cli::Answered{cli::refuse(cli::k_exit_usage, error.what(), "`pfast-watch --help` lists its options")};
  }
  options.arguments = arguments.for_pytest(app.remaining());
  if (!options.rerun && !options.arguments.empty()) {
    return cli::Answered{cli::refuse(cli::k_exit_usage, "'" + options.arguments.front() + "' is no option of pfast-watch", "with --rerun it would be one of each run")};
  }
  return options;
}

}  // namespace pf::watch
