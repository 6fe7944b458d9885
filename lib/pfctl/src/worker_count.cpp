#include <pfctl/worker_count.hpp>

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <vector>

#include "files.hpp"
#include "text.hpp"

namespace pf::ctl {
namespace {

constexpr int k_max_mask_cpus = 1 << 16;

std::optional<long long> number(std::string_view text) {
  text = text::trimmed(text);
  long long value = 0;
  const auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (err != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

int processors(std::optional<long long> quota, std::optional<long long> period) {
  if (!quota || !period || *quota <= 0 || *period <= 0) return 0;
  const long long whole = *quota / *period + (*quota % *period != 0 ? 1 : 0);
  return static_cast<int>(std::clamp(whole, 1LL, 1LL << 20));
}

// "max 100000" or "150000 100000"
int limit_v2(const std::string& folder) {
  const auto file = files::read(folder + "/cpu.max", 256);
  if (!file) return 0;
  const std::string_view text = text::trimmed(*file);
  const std::size_t blank = text.find(' ');
  return blank == text.npos ? 0 : processors(number(text.substr(0, blank)), number(text.substr(blank)));
}

int limit_v1(const std::string& folder) {
  const auto quota = files::read(folder + "/cpu.cfs_quota_us", 64);
  const auto period = files::read(folder + "/cpu.cfs_period_us", 64);
  return quota && period ? processors(number(*quota), number(*period)) : 0;
}

int smaller(int a, int b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

// The group's own limit and those of the groups above it. In a container the path may not exist under the mount, which
// then shows the container's own group at its top.
template <typename Limit>
int limit_upward(const std::string& mount, std::string group, Limit limit) {
  int least = 0;
  while (group.size() > 1) {
    least = smaller(least, limit(mount + group));
    group = files::parent(group);
  }
  return smaller(least, limit(mount));
}

bool lists(std::string_view controllers, std::string_view wanted) {
  while (!controllers.empty()) {
    const std::size_t comma = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, comma) == wanted) return true;
    controllers.remove_prefix(std::min(comma + 1, controllers.size()));
  }
  return false;
}

}  // namespace

// The mask of more than 1,024 processors does not fit into a cpu_set_t: the kernel says EINVAL, and more is offered.
int affinity_cpu_count() {
  for (int cpus = 1024; cpus <= k_max_mask_cpus; cpus *= 2) {
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(cpus));
    std::vector<unsigned long> words(bytes / sizeof(unsigned long) + 1);
    auto* set = reinterpret_cast<cpu_set_t*>(words.data());
    if (::sched_getaffinity(0, bytes, set) == 0) return CPU_COUNT_S(bytes, set);
  }
  return static_cast<int>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
}

int cgroup_cpu_limit(const std::string& self_cgroup_file, const std::string& cgroup_mount) {
  const std::string content = files::read(self_cgroup_file, 64 * 1024).value_or("");
  std::string_view text = content;
  int least = 0;
  while (!text.empty()) {   // "<id>:<controllers>:<path>"; v2 has id 0 and no controllers
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t first = line.find(':');
    const std::size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string group(line.substr(second + 1));
    if (controllers.empty()) {
      least = smaller(least, limit_upward(cgroup_mount, group, limit_v2));
    } else if (lists(controllers, "cpu")) {
      const std::string both = cgroup_mount + '/' + std::string(controllers);
      least = smaller(least, limit_upward(files::is_folder(both) ? both : cgroup_mount + "/cpu", group, limit_v1));
    }
  }
  return least;
}

int default_worker_count() {
  const int affinity = std::max(1, affinity_cpu_count());
  return std::max(1, smaller(affinity, cgroup_cpu_limit("/proc/self/cgroup", "/sys/fs/cgroup")));
}

}  // namespace pf::ctl
