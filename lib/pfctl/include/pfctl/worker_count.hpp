// How many workers a machine is good for.
#pragma once

#include <string>

namespace pf::ctl {

// The processors that this process may use: its affinity mask, bounded by the CPU quota of its control groups (v2
// cpu.max or v1 cpu.cfs_quota_us, own and every parent's; 1.5 processors count as 2). At least 1.
[[nodiscard]] int default_worker_count();

// The affinity part.
[[nodiscard]] int affinity_cpu_count();

// The quota part, from a given /proc/self/cgroup and the folder where control groups are mounted; 0 = no quota.
[[nodiscard]] int cgroup_cpu_limit(const std::string& self_cgroup_file, const std::string& cgroup_mount);

}  // namespace pf::ctl
