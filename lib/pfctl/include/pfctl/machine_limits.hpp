// Limits of this machine and user that a daemon can meet. -1 stands for "none", or for what /proc does not tell.
#pragma once

#include <cstdint>
#include <string>

namespace pf::ctl {

struct MachineLimits {
  std::int64_t watches = -1;             // fs.inotify.max_user_watches
  std::int64_t watches_used = 0;         // by this user's processes, as far as they can be looked at
  std::int64_t watch_instances = -1;     // fs.inotify.max_user_instances
  std::int64_t watch_instances_used = 0;
  std::int64_t descriptors = -1;         // RLIMIT_NOFILE of this process, soft and hard
  std::int64_t descriptors_hard = -1;
  std::int64_t processes = -1;           // RLIMIT_NPROC, soft; of no effect for root
  std::int64_t processes_used = 0;       // this user's threads
  std::int64_t group_processes = -1;     // pids.max of the control group, and pids.current
  std::int64_t group_processes_used = 0;
  std::int64_t memory_available_bytes = -1;
};

// Looks at every process of this user: some 20 ms.
[[nodiscard]] MachineLimits machine_limits();

// Of the file system that `path` is on: "nfs", "fuse", …; empty when it tells of every change (inotify).
[[nodiscard]] std::string silent_file_system(const std::string& path);

}  // namespace pf::ctl
