// `pfast-watch --rerun`: runs tests when files are saved and keys are pressed. Each run is a `pfast run` of its own.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <pfcore/messages.hpp>
#include <pfcore/result.hpp>

#include <pfctl/client.hpp>
#include <pfctl/loop.hpp>
#include <pfctl/rerun_arguments.hpp>
#include <pfctl/runtime_dir.hpp>

namespace pf::ctl {

struct RerunOptions {
  Address address;
  ConnectOptions connecting;               // a daemon is started when there is none
  Milliseconds debounce{200};
  Milliseconds poll{500};
  std::string executable;                  // pfast
  core::OsStrings where;                   // its options that lead to that daemon
  core::OsStrings arguments;               // of each run
  std::string cwd;
  core::Environment env;
  bool keys = false;                       // stdin and stdout are a terminal
  std::function<void(std::string_view)> say;                        // a line for people
  std::function<RunFacts(std::string_view events)> read_events;     // what `--events` wrote
};

// Blocks until somebody quits: 0 for `q`, 128 + n for a signal. Errors: no daemon could be reached or started; system.
[[nodiscard]] core::Result<int> run_reruns(RerunOptions options);

}  // namespace pf::ctl
