// `pfast serve`: one daemon, from its life lock to its last unlink.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <pfcore/messages.hpp>

#include <pfctl/loop.hpp>
#include <pfctl/runtime_dir.hpp>

namespace pf::ctl {

struct DaemonOptions {
  Address address;
  std::string root;
  std::string python;                    // executable of the target environment
  std::string forkserver_path;           // pfast-forkserver
  int ready_fd = -1;                     // --ready-fd; -1 = none (--foreground)
  Milliseconds ttl{600000};              // idle time after which it leaves
  Milliseconds boot_deadline{120000};
  std::int64_t memory_bytes = 0;         // that its paused generations may hold together; 0 = half of the machine's
  std::size_t default_workers = 0;       // 0 = what the machine is good for
  std::size_t checkpoints = 0;           // settings
  bool scope_all = false;                // settings: scope = "all"
  std::vector<std::string> session_plugins;   // settings
  std::int64_t companion = 0;            // a child of this process that lives on beside the daemon; 0 = none
  bool take_over = false;                // from the daemon that serves the address now
  core::RunRequest v1_request;           // environment, folder, umask and options of runs whose client cannot say them
};

// Takes the life lock (or has it handed over), binds the address, serves until it is told to leave, and removes what it made. Blocks; owns the
// process' signals and is a subreaper from then on. Returns 0, or 72 when it could not start: the reason is on stderr and
// on the readiness channel.
[[nodiscard]] int run_daemon(DaemonOptions options);

}  // namespace pf::ctl
