// posix_spawn with owners. Private to pfctl. Not used where fork would do: pfexec/fork.cpp is the only file that forks.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <pfcore/messages.hpp>
#include <pfcore/result.hpp>
#include <pfcore/unique_fd.hpp>

namespace pf::ctl {

struct SpawnRequest {
  std::string executable;
  std::vector<std::string> arguments;      // argv[0] included
  const core::Environment* env = nullptr;
  std::string cwd;                         // empty = the caller's
  int output_fd = -1;                      // becomes stdout and stderr; -1 = /dev/null
  int error_fd = -1;                       // stderr alone, when it is another one
  int extra_fd = -1;                       // becomes k_extra_fd
  bool new_session = false;                // else a new process group
};
inline constexpr int k_extra_fd = 3;

// stdin is /dev/null, no other descriptor is passed on, signals have their default actions and none is blocked.
// Errors: system; the limit in force is named where there is one.
[[nodiscard]] core::Result<pid_t> spawn(const SpawnRequest& request);

// Waits for a child's end; nullopt: it is still there after `timeout`. A status that somebody else took, or that nobody
// may have (SIGCHLD ignored), is -1.
[[nodiscard]] std::optional<int> wait_for_exit(pid_t pid, std::chrono::milliseconds timeout);

// SIGTERM to the child's group, SIGKILL after `grace`; reaped afterwards. Returns its status, or -1.
int terminate(pid_t pid, std::chrono::milliseconds grace);

}  // namespace pf::ctl
