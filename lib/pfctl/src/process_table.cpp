#include <pfctl/process_table.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <pfcore/unique_fd.hpp>

#include <pfctl/process_info.hpp>

namespace pf::ctl {
namespace {

struct CloseDir {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDir>;

std::optional<std::string> read_small_file(const std::string& path) {
  const core::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return std::nullopt;
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got <= 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return text;
}

std::vector<std::int64_t> numbers_in(std::string_view text) {
  std::vector<std::int64_t> numbers;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    std::int64_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error == std::errc{}) {
      numbers.push_back(number);
      at = next;
    } else {
      ++at;
    }
  }
  return numbers;
}

std::vector<std::int64_t> numbered_entries(const char* path) {
  std::vector<std::int64_t> numbers;
  const Directory directory(::opendir(path));
  if (!directory) return numbers;
  while (const struct dirent* entry = ::readdir(directory.get())) {
    if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') numbers.push_back(std::atoll(entry->d_name));
  }
  return numbers;
}

// For kernels without CONFIG_PROC_CHILDREN.
std::vector<std::int64_t> children_by_scan() {
  std::vector<std::int64_t> children;
  const std::int64_t self = ::getpid();
  for (const std::int64_t pid : numbered_entries("/proc")) {
    const auto process = process_state(pid);
    if (process && process->parent == self) children.push_back(pid);
  }
  return children;
}

}  // namespace

std::vector<std::int64_t> children_of_self() {
  std::vector<std::int64_t> children;
  for (const std::int64_t thread : numbered_entries("/proc/self/task")) {
    const auto text = read_small_file("/proc/self/task/" + std::to_string(thread) + "/children");
    if (!text) return children_by_scan();
    const std::vector<std::int64_t> more = numbers_in(*text);
    children.insert(children.end(), more.begin(), more.end());
  }
  return children;
}

}  // namespace pf::ctl
