// Settings from files and the environment. The command line comes on top, in the frontends.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <pfcore/messages.hpp>
#include <pfcore/result.hpp>

namespace pf::ctl {

struct Settings {
  std::int64_t workers = -1;                    // -1 = auto
  std::string dist = "auto";
  std::string reporter = "native";
  double ttl_s = 600;                           // idle time after which a daemon leaves; finite and > 0
  double boot_timeout_s = 120;                  // that a suite may take to be collected; finite and > 0
  double timeout_s = 0;                         // per test; 0 = none
  std::int64_t retries = 0;
  std::int64_t memory_mib = 0;                  // that paused suites may hold together; 0 = half of the machine's
  double retry_delay_s = 0;
  std::int64_t max_worker_restart = -1;         // lost workers that are replaced; -1 = not limited by a number
  std::int64_t nice = 0;                        // of the processes that run tests, 0 to 19
  std::int64_t memory_floor_mib = -1;           // free memory below which no further worker is begun; 0 = none, -1 = chosen by the machine
  std::int64_t checkpoints = 12;                // that a generation keeps at most; 0 = none
  std::string flaky = "pass";                   // "pass" | "fail": what a test counts as that passed after it had failed
  std::string scope = "asked";                  // "all" | "asked"
  std::string start_method = "forkserver";
  std::vector<std::string> session_plugins;     // pytest plugins that belong to one run, as an editor's does (import_options.hpp)
  std::string python;                           // empty = find one
  std::string plugin = "asked";                 // "always": pytest is --fast without being told

  std::string address;                          // PYTEST_FAST_ADDRESS, PFAST_ADDRESS
  std::string mark;                             // PYTEST_FAST_MARK: -m
  std::string dump;                             // OUTCOME_DUMP: --dump
  double hang_dump_s = 0;                       // PYTEST_FAST_WORKER_HANG_TIMEOUT: stack dump of a silent worker; 0 = none
  double watch_poll_s = 0.5;                    // PYTEST_FAST_WATCH_POLL
  double watch_debounce_s = 0.7;                // PYTEST_FAST_WATCH_DEBOUNCE
  std::optional<std::vector<std::string>> watch_dirs;    // PYTEST_FAST_WATCH_DIRS
  std::optional<std::vector<std::string>> watch_files;   // PYTEST_FAST_WATCH_FILES
  std::vector<std::string> env_prefixes;        // PYTEST_FAST_ENV_PREFIXES: these variables always key a generation

  // Who set a value: key -> "PYTEST_FAST_WORKERS" or "/p/pyproject.toml:12". Defaults are not in it.
  std::map<std::string, std::string> sources;
};

// PYTEST_FAST_* over PFAST_* over ROOT/pfast.toml (else [tool.pfast] in ROOT/pyproject.toml) over the defaults.
// Errors: invalid_argument (an unknown key, a wrong type or value), malformed (no TOML), system (unreadable). The message
// has file, line, key and how to mend it. As in the predecessor, a PYTEST_FAST_ number that is no number counts as unset.
[[nodiscard]] core::Result<Settings> load_settings(const std::string& root, const core::Environment& env);

}  // namespace pf::ctl
