// Looking at and ending other processes, through /proc and pidfds. Pids are 64 bits wide as in the messages; one that is
// no pid is treated as a process that is gone.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <pfcore/result.hpp>
#include <pfcore/unique_fd.hpp>

namespace pf::ctl {

// Resident memory; 0 when the process is gone.
[[nodiscard]] std::int64_t process_rss_bytes(std::int64_t pid);

struct ProcessState {
  std::int64_t pid = 0;
  std::int64_t parent = 0;
  std::int64_t group = 0;
  std::int64_t session = 0;
  char state = '?';              // as in /proc/<pid>/stat: R S D T t Z X
  std::uint64_t start_ticks = 0; // with the pid, an identity that a recycled pid does not have
};
[[nodiscard]] std::optional<ProcessState> process_state(std::int64_t pid);

// Every process that descends from `pid` now, parents before children; `pid` itself is not in it. Processes that were
// adopted by somebody else (double forks) are not found: that is what the subreaper is for.
[[nodiscard]] std::vector<std::int64_t> descendants(std::int64_t pid);
// Every process in that session, zombies too.
[[nodiscard]] std::vector<std::int64_t> session_members(std::int64_t session);

// Signals a process or a whole group. A number below 2 is refused (invalid_argument): 0 and -1 would be oneself and
// everyone. Errors: not_found (gone already), system.
[[nodiscard]] core::Status signal_process(std::int64_t pid, int signal_number);
[[nodiscard]] core::Status signal_group(std::int64_t group, int signal_number);

// A pidfd: readable when the process has ended. Errors: not_found (gone), system.
[[nodiscard]] core::Result<core::UniqueFd> open_pidfd(std::int64_t pid);

}  // namespace pf::ctl
