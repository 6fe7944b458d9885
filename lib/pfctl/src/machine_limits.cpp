#include <pfctl/machine_limits.hpp>

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <climits>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "file_watch.hpp"
#include "files.hpp"
#include "text.hpp"

namespace pf::ctl {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};

void for_each_entry(const std::string& folder, const std::function<void(const std::string&)>& visit) {
  const std::unique_ptr<DIR, CloseDir> dir(::opendir(folder.c_str()));
  while (const struct dirent* entry = dir ? ::readdir(dir.get()) : nullptr) {
    if (entry->d_name[0] != '.') visit(entry->d_name);
  }
}

// "max", no file, no number: -1.
std::int64_t number_in(const std::string& path) {
  const std::string content = files::read(path, 64).value_or("");
  const std::string_view text = text::trimmed(content);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() ? value : -1;
}

// "Threads:\t12" of /proc/<pid>/status, "MemAvailable:   123 kB" of /proc/meminfo.
std::int64_t field_in(std::string_view content, std::string_view name) {
  const std::size_t found = content.find(name);
  if (found == content.npos) return -1;
  content = text::trimmed(content.substr(found + name.size(), 64));
  std::int64_t value = -1;
  (void)std::from_chars(content.data(), content.data() + content.size(), value);
  return value;
}

std::int64_t limit_number(rlim_t limit) { return limit == RLIM_INFINITY ? -1 : static_cast<std::int64_t>(limit); }

void count_watches(const std::string& process, MachineLimits& limits) {
  for_each_entry(process + "/fd", [&](const std::string& fd) {
    std::array<char, PATH_MAX> target;
    const ssize_t length = ::readlink((process + "/fd/" + fd).c_str(), target.data(), target.size());
    if (length < 0 || std::string_view(target.data(), static_cast<std::size_t>(length)) != "anon_inode:inotify") return;
    ++limits.watch_instances_used;
    const std::string info = files::read(process + "/fdinfo/" + fd, 16u << 20).value_or("");
    for (std::size_t at = info.find("inotify wd:"); at != info.npos; at = info.find("inotify wd:", at + 1)) ++limits.watches_used;
  });
}

void count_processes(MachineLimits& limits) {
  for_each_entry("/proc", [&](const std::string& name) {
    const std::string process = "/proc/" + name;
    struct stat info {};
    if (name.front() < '0' || name.front() > '9' || ::stat(process.c_str(), &info) != 0 || info.st_uid != ::geteuid()) return;
    limits.processes_used += std::max<std::int64_t>(1, field_in(files::read(process + "/status", 8192).value_or(""), "\nThreads:"));
    count_watches(process, limits);
  });
}

// The nearest limit on the way up: of version 2, where the line has no controllers.
void heed_group(MachineLimits& limits) {
  const std::string content = files::read("/proc/self/cgroup", 64 * 1024).value_or("");
  const std::size_t line = content.starts_with("0::") ? 0 : content.find("\n0::");
  if (line == content.npos) return;
  const std::size_t begin = content.find("::", line) + 2;
  std::string group = content.substr(begin, std::min(content.find('\n', begin), content.size()) - begin);
  for (;; group = files::parent(group)) {
    const std::string folder = "/sys/fs/cgroup" + (group.size() > 1 ? group : std::string());
    if (const std::int64_t limit = number_in(folder + "/pids.max"); limit >= 0) {
      limits.group_processes = limit;
      limits.group_processes_used = std::max<std::int64_t>(0, number_in(folder + "/pids.current"));
      return;
    }
    if (group.size() <= 1) return;
  }
}

}  // namespace

MachineLimits machine_limits() {
  MachineLimits limits;
  limits.watches = number_in("/proc/sys/fs/inotify/max_user_watches");
  limits.watch_instances = number_in("/proc/sys/fs/inotify/max_user_instances");
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limits.descriptors = limit_number(limit.rlim_cur);
    limits.descriptors_hard = limit_number(limit.rlim_max);
  }
  if (::getrlimit(RLIMIT_NPROC, &limit) == 0) limits.processes = limit_number(limit.rlim_cur);
  const std::int64_t available = field_in(files::read("/proc/meminfo", 8192).value_or(""), "MemAvailable:");
  if (available >= 0) limits.memory_available_bytes = available * 1024;
  count_processes(limits);
  heed_group(limits);
  return limits;
}

std::string silent_file_system(const std::string& path) {
  if (FileWatch::tells_of_changes(path)) return {};
  struct statfs info {};
  if (::statfs(path.c_str(), &info) != 0) return "unknown";
  struct Known {
    unsigned long magic;
    const char* name;
  };
  constexpr Known k_known[] = {{0x6969, "nfs"},      {0xFF534D42, "cifs"}, {0xFE534D42, "smb"},       {0x517B, "smb"},
                               {0x65735546, "fuse"}, {0x01021997, "9p"},   {0x00C36400, "ceph"},      {0x786F4256, "vboxsf"},
                               {0x6A656A63, "virtiofs"}};
  const auto magic = static_cast<unsigned long>(info.f_type) & 0xFFFFFFFFUL;
  for (const Known& known : k_known) {
    if (known.magic == magic) return known.name;
  }
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "type 0x%lx", magic);
  return text.data();
}

}  // namespace pf::ctl
