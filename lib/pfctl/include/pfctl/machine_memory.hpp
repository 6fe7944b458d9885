// How much memory this machine, or this container, has, how much of it is free, and whether the kernel killed for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace pf::ctl {

// Where the kernel tells it. Others than the real places are for tests.
struct MemoryFiles {
  std::string self_cgroup = "/proc/self/cgroup";
  std::string cgroup_mount = "/sys/fs/cgroup";
  std::string meminfo = "/proc/meminfo";
  std::string vmstat = "/proc/vmstat";
};

// Physical memory in bytes, bounded by the limits of this process' control groups (own and every parent's; v2 memory.max, v1
// memory.limit_in_bytes).
[[nodiscard]] std::int64_t machine_memory_bytes();

// The limit part; 0 = no limit.
[[nodiscard]] std::int64_t cgroup_memory_limit(const MemoryFiles& files = {});

// What can be had without swapping: MemAvailable, and what the control groups leave (their limit less what is used, inactive
// file pages not counted). nullopt: the kernel does not say.
[[nodiscard]] std::optional<std::int64_t> free_memory_bytes(const MemoryFiles& files = {});

// Free memory below which no further worker is begun. `mib`: as set; below 0: a twentieth of what there is, 512 MiB at most.
[[nodiscard]] std::int64_t memory_floor_bytes(std::int64_t mib);

// How many processes of this control group (of the machine, when it does not count) the kernel killed for want of memory, so
// far. 0 when nobody counts.
[[nodiscard]] std::int64_t oom_kills(const MemoryFiles& files = {});

}  // namespace pf::ctl
