#include <pfctl/machine_memory.hpp>

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

#include "files.hpp"
#include "text.hpp"

namespace pf::ctl {
namespace {

constexpr std::size_t k_max_file = 64 * 1024;

// The files of the two versions of control groups.
struct GroupVersion {
  std::string_view limit;
  std::string_view usage;
  std::string_view inactive;      // in memory.stat
  std::string_view kills;         // the file with a line "oom_kill N"
};
constexpr GroupVersion k_v1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "memory.oom_control"};
constexpr GroupVersion k_v2{"memory.max", "memory.current", "inactive_file", "memory.events"};

struct Group {
  std::string folder;
  const GroupVersion* version;
};

std::optional<std::int64_t> number_of(std::string_view text) {
  text = text::trimmed(text);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "max" is no number.
std::optional<std::int64_t> number_in(const Group& group, std::string_view file) {
  const auto content = files::read(group.folder + '/' + std::string(file), 64);
  return content ? number_of(*content) : std::nullopt;
}

// The number behind a key at the beginning of a line: "oom_kill 3", "MemAvailable:  123 kB".
std::optional<std::int64_t> number_behind(const std::string& path, std::string_view key) {
  const std::string content = files::read(path, k_max_file).value_or("");
  for (std::size_t begin = 0; begin < content.size();) {
    const std::size_t end = std::min(content.find('\n', begin), content.size());
    std::string_view line(content.data() + begin, end - begin);
    begin = end + 1;
    if (!line.starts_with(key) || line.size() == key.size() || line[key.size()] != ' ') continue;
    line.remove_prefix(key.size());
    if (line.ends_with(" kB")) line.remove_suffix(3);
    return number_of(line);
  }
  return std::nullopt;
}

// "5:cpu,memory:/a/b" for v1, "0::/a/b" for v2: the path, when the line is the one that counts memory.
std::optional<std::string> group_path(std::string_view line, const GroupVersion& version) {
  const std::size_t first = line.find(':');
  const std::size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
  if (second == line.npos) return std::nullopt;
  const std::string controllers = "," + std::string(line.substr(first + 1, second - first - 1)) + ",";
  const bool counts = &version == &k_v2 ? controllers == ",," : controllers.find(",memory,") != controllers.npos;
  if (!counts) return std::nullopt;
  return std::string(line.substr(second + 1));
}

// The groups that bound this process, its own first.
std::vector<Group> memory_groups(const MemoryFiles& files) {
  std::vector<Group> out;
  const std::string content = files::read(files.self_cgroup, k_max_file).value_or("");
  for (const GroupVersion* version : {&k_v2, &k_v1}) {
    const std::string mount = version == &k_v2 ? files.cgroup_mount : files.cgroup_mount + "/memory";
    for (const std::string& line : text::split(content, "\n")) {
      auto path = group_path(line, *version);
      if (!path) continue;
      for (; path->size() > 1; path = files::parent(*path)) out.push_back({mount + *path, version});
      out.push_back({mount, version});   // in a container its own group is at the top
    }
  }
  return out;
}

std::int64_t physical_bytes() { return static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE); }

}  // namespace

std::int64_t cgroup_memory_limit(const MemoryFiles& files) {
  std::int64_t least = 0;
  for (const Group& group : memory_groups(files)) {
    const std::int64_t limit = number_in(group, group.version->limit).value_or(0);
    if (limit > 0 && (least == 0 || limit < least)) least = limit;
  }
  return least;
}

std::int64_t machine_memory_bytes() {
  const std::int64_t limit = cgroup_memory_limit();
  return limit > 0 ? std::min(limit, physical_bytes()) : physical_bytes();
}

std::optional<std::int64_t> free_memory_bytes(const MemoryFiles& files) {
  std::optional<std::int64_t> least = number_behind(files.meminfo, "MemAvailable:");
  if (least) *least *= 1024;
  for (const Group& group : memory_groups(files)) {
    const auto limit = number_in(group, group.version->limit);
    const auto usage = number_in(group, group.version->usage);
    if (!limit || !usage || *limit <= 0) continue;
    const std::int64_t inactive = number_behind(group.folder + "/memory.stat", group.version->inactive).value_or(0);
    const std::int64_t left = std::max<std::int64_t>(*limit - std::max<std::int64_t>(*usage - inactive, 0), 0);
    least = least ? std::min(*least, left) : left;
  }
  return least;
}

std::int64_t memory_floor_bytes(std::int64_t mib) {
  constexpr std::int64_t k_mib = 1 << 20;
  return mib >= 0 ? mib * k_mib : std::min(512 * k_mib, machine_memory_bytes() / 20);
}

std::int64_t oom_kills(const MemoryFiles& files) {
  for (const Group& group : memory_groups(files)) {
    if (const auto kills = number_behind(group.folder + '/' + std::string(group.version->kills), "oom_kill")) return *kills;
  }
  return number_behind(files.vmstat, "oom_kill").value_or(0);
}

}  // namespace pf::ctl
