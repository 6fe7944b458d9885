// The command line. CLI11 is used in options.cpp only; what `pfast run` does not know is pytest's, as it is and in order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace pf::cli {

// Options of every command that talks to a daemon.
struct Where {
  std::string address;           // --address; empty = from root and interpreter
  std::string root;              // --root; empty = found
  std::string python;            // --python; empty = found
};

// --bench and its kin; see bench_run.hpp.
struct BenchOptions {
  int runs = 0;                  // --bench=N, with the warm-up; 0 = not given
  std::string save;              // file
  std::vector<std::string> compare;   // a file to compare with, or two to compare with each other
};

struct RunOptions {
  Where where;
  std::optional<int> workers;    // -1 = auto
  std::optional<std::string> dist;
  std::optional<std::string> reporter;
  std::optional<std::string> start_method;
  std::optional<double> ttl_s;
  std::optional<double> boot_timeout_s;
  std::optional<double> timeout_s;
  std::optional<std::int64_t> retries;
  std::optional<double> retry_delay_s;
  std::optional<std::string> flaky;   // "pass", "fail"
  std::optional<std::int64_t> max_worker_restart;
  std::optional<std::int64_t> nice;
  int runs = 1;
  std::string dump;              // file, "-" = stdout, empty = none
  std::string events;
  bool no_daemon = false;
  bool with_watcher = false;
  bool full_report = false;
  bool verbose_plan = false;
  bool detailed = false;
  BenchOptions bench;
  bool print_inferred_workers = false;
  std::vector<std::string> pytest_args;
};

struct ServeOptions {
  Where where;
  bool foreground = false;
  bool with_watcher = false;
  std::optional<double> ttl_s;
  std::vector<std::string> paths;  // what is collected at once; empty = the whole suite
  int ready_fd = -1;             // set by whoever starts a daemon
  std::string cwd;               // likewise: where that one stands; version 1 clients send no folder
  bool take_over = false;        // set by restart: from the daemon that serves the address
  int owner_pid = 0;             // the daemon ends with this process, its parent
  bool private_folder = false;   // --no-daemon: it removes the folder of its address then
};

struct StatusOptions { Where where; bool json = false; };
struct ListOptions { bool json = false; };
struct StopOptions { Where where; bool now = false; };
struct LogsOptions { Where where; bool follow = false; };
struct RestartOptions { Where where; };
struct DoctorOptions { Where where; bool json = false; bool collect = false; };
struct RefreshOptions { Where where; std::vector<std::string> paths; };   // none: the whole suite

// The command line was answered already (--help, --version) or is wrong (the reason has been printed).
struct Answered { int exit_code; };

using Command = std::variant<Answered, RunOptions, ServeOptions, StatusOptions, ListOptions, StopOptions, LogsOptions, RefreshOptions,
                             RestartOptions, DoctorOptions>;

[[nodiscard]] Command parse_command_line(int argc, char** argv);

}  // namespace pf::cli
