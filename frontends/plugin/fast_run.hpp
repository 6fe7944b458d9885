// One run of `pytest --fast`: from where this process stands to the exit code. Knows no Python, prints what a failed boot printed,
// and nothing else.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <pfcore/messages.hpp>

namespace pf::plugin {

struct FastRun {
  core::OsStrings argv;                 // pytest's, without pfast's own options
  std::string program;                  // sys.argv[0]
  std::optional<std::string> sys_path;  // of this process, joined by colons, where that of a new one would be another
  std::string python;                   // interpreter, or the folder of its virtual environment
  std::string executable;               // pfast, which becomes the daemon when there is none
  std::optional<std::string> address;   // --fast-address
  std::optional<std::int64_t> workers;  // --fast-workers, -n; -1 = auto
  std::optional<std::string> dist;
  std::optional<double> ttl_s;          // --fast-ttl
  std::array<int, 3> streams{0, 1, 2};  // the run's stdin, stdout and stderr; -1 = none
  bool keep_outcomes = false;
  bool dies_by_interrupt = false;       // a Ctrl-C before the run has begun ends this process
};

struct FastEnd {
  enum class How : std::uint8_t {
    finished,      // exit_code is pytest's, or the daemon's for a run of which it has told all
    not_begun,     // nothing was run or printed: plain pytest can do it; `message` is the reason
    wrong_use,     // an option, a variable or a file of settings is wrong: `message`
    failed,        // exit_code is pfast's own; `message` and `hint`
  };
  How how = How::failed;
  int exit_code = 70;
  std::string message;
  std::string hint;
  int ended_by = 0;                                  // SIGTERM or SIGHUP came, and ended the run
  std::string address;                               // the daemon's socket
  std::vector<std::string> notes;                    // lines for stderr, after the run
  std::map<std::string, std::string> outcomes;       // with keep_outcomes, by node id
};

// Blocks until the run is over; SIGINT, SIGTERM, SIGHUP, SIGWINCH and SIGTSTP of this process are passed on meanwhile.
[[nodiscard]] FastEnd run_fast(const FastRun& run);

// [tool.pfast] of the project that this process stands in says plugin = "always". False, too, when it cannot be read.
[[nodiscard]] bool is_always_fast();

// Where a run from here would find its daemon; empty when that cannot be told.
[[nodiscard]] std::string daemon_address(const std::string& python, const std::optional<std::string>& address);

}  // namespace pf::plugin
