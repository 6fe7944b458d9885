// How much memory this machine, or this container, has.
#pragma once

#include <cstdint>
#include <string>

namespace pf::ctl {

// Physical memory in bytes, bounded by the limit of this process' control groups (v2 memory.max, own and every parent's).
[[nodiscard]] std::int64_t machine_memory_bytes();

// The limit part, from a given /proc/self/cgroup and the folder where control groups are mounted; 0 = no limit.
[[nodiscard]] std::int64_t cgroup_memory_limit(const std::string& self_cgroup_file, const std::string& cgroup_mount);

}  // namespace pf::ctl
