#include <pfctl/machine_memory.hpp>

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "files.hpp"
#include "text.hpp"

namespace pf::ctl {
namespace {

// "max" or a number of bytes; 0 = none.
std::int64_t limit_of(const std::string& folder) {
  const auto content = files::read(folder + "/memory.max", 64);
  if (!content) return 0;
  const std::string_view text = text::trimmed(*content);
  std::int64_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  return error == std::errc() && end == text.data() + text.size() ? bytes : 0;
}

}  // namespace

std::int64_t cgroup_memory_limit(const std::string& self_cgroup_file, const std::string& cgroup_mount) {
  const std::string content = files::read(self_cgroup_file, 64 * 1024).value_or("");
  const std::size_t line = content.starts_with("0::") ? 0 : content.find("\n0::");   // v2: no controllers named
  if (line == content.npos) return 0;
  const std::size_t begin = content.find("::", line) + 2;
  std::string group = content.substr(begin, std::min(content.find('\n', begin), content.size()) - begin);
  std::int64_t least = 0;
  const auto heed = [&](const std::string& folder) {
    if (const std::int64_t limit = limit_of(folder); limit > 0 && (least == 0 || limit < least)) least = limit;
  };
  for (; group.size() > 1; group = files::parent(group)) heed(cgroup_mount + group);
  heed(cgroup_mount);   // in a container its own group is at the top
  return least;
}

std::int64_t machine_memory_bytes() {
  const std::int64_t physical = static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
  const std::int64_t limit = cgroup_memory_limit("/proc/self/cgroup", "/sys/fs/cgroup");
  return limit > 0 ? std::min(limit, physical) : physical;
}

}  // namespace pf::ctl
