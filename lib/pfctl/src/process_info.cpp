#include <pfctl/process_info.hpp>

#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <csignal>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "files.hpp"
#include "text.hpp"

namespace pf::ctl {
namespace {

bool is_pid(std::int64_t pid) noexcept { return pid > 0 && pid <= INT_MAX; }

std::optional<std::string> read_proc(std::int64_t pid, const char* name) {
  if (!is_pid(pid)) return std::nullopt;
  return files::read("/proc/" + std::to_string(pid) + '/' + name, 4096);
}

template <typename Number>
std::optional<Number> take_number(std::string_view& text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  Number number{};
  const auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (err != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

struct CloseDir {
  void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};

std::vector<ProcessState> all_processes() {
  std::vector<ProcessState> out;
  const std::unique_ptr<DIR, CloseDir> proc(::opendir("/proc"));
  while (proc) {
    const struct dirent* entry = ::readdir(proc.get());
    if (entry == nullptr) break;
    std::string_view name(entry->d_name);
    const auto pid = take_number<std::int64_t>(name);
    if (!pid || !name.empty()) continue;
    if (const auto state = process_state(*pid)) out.push_back(*state);
  }
  return out;
}

core::Status send_signal(std::int64_t number, bool group, int signal_number) {
  if (number < 2 || number > INT_MAX) {
    return text::error(core::ErrorCode::invalid_argument, "signal process " + std::to_string(number) + ": no number of one process");
  }
  const auto pid = static_cast<pid_t>(number);
  if (::kill(group ? -pid : pid, signal_number) == 0) return core::ok_status();
  const std::string what = std::string("signal ") + (group ? "process group " : "process ") + std::to_string(number);
  if (errno == ESRCH) return text::error(core::ErrorCode::not_found, what + ": it is gone");
  return core::Error::from_errno(what, errno);
}

}  // namespace

std::int64_t process_rss_bytes(std::int64_t pid) {
  const auto statm = read_proc(pid, "statm");   // size resident shared …, in pages
  if (!statm) return 0;
  std::string_view text = *statm;
  (void)take_number<std::int64_t>(text);
  return take_number<std::int64_t>(text).value_or(0) * ::sysconf(_SC_PAGESIZE);
}

std::optional<ProcessState> process_state(std::int64_t pid) {
  const auto stat = read_proc(pid, "stat");
  if (!stat) return std::nullopt;
  // "pid (name) state ppid pgrp session …": the name may hold anything, parentheses too.
  const std::size_t close = stat->rfind(')');
  if (close == stat->npos || close + 3 >= stat->size()) return std::nullopt;
  ProcessState state;
  state.pid = pid;
  state.state = (*stat)[close + 2];
  std::string_view text = std::string_view(*stat).substr(close + 3);
  state.parent = take_number<std::int64_t>(text).value_or(0);
  state.group = take_number<std::int64_t>(text).value_or(0);
  state.session = take_number<std::int64_t>(text).value_or(0);
  constexpr int k_fields_to_start_time = 15;   // tty_nr (7) to itrealvalue (21); starttime is field 22, see proc(5)
  for (int field = 0; field < k_fields_to_start_time; ++field) (void)take_number<std::int64_t>(text);
  state.start_ticks = take_number<std::uint64_t>(text).value_or(0);
  return state;
}

std::vector<std::int64_t> descendants(std::int64_t pid) {
  std::unordered_map<std::int64_t, std::vector<std::int64_t>> children;
  for (const ProcessState& state : all_processes()) children[state.parent].push_back(state.pid);
  std::vector<std::int64_t> out;
  for (std::size_t next = 0; next <= out.size(); ++next) {
    const std::int64_t parent = next == 0 ? pid : out[next - 1];
    const auto found = children.find(parent);
    if (found == children.end()) continue;
    const std::vector<std::int64_t> own = std::move(found->second);
    children.erase(found);   // a snapshot that is not atomic may hold a circle
    out.insert(out.end(), own.begin(), own.end());
  }
  return out;
}

std::vector<std::int64_t> session_members(std::int64_t session) {
  std::vector<std::int64_t> out;
  for (const ProcessState& state : all_processes()) {
    if (state.session == session) out.push_back(state.pid);
  }
  return out;
}

core::Status signal_process(std::int64_t pid, int signal_number) { return send_signal(pid, false, signal_number); }
core::Status signal_group(std::int64_t group, int signal_number) { return send_signal(group, true, signal_number); }

core::Result<core::UniqueFd> open_pidfd(std::int64_t pid) {
  const std::string what = "watch process " + std::to_string(pid);
  if (!is_pid(pid)) return text::error(core::ErrorCode::not_found, what + ": no such process");
  // glibc has a wrapper since 2.36 only. The descriptor is close-on-exec from birth.
  core::UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0)));
  if (fd) return fd;
  if (errno == ESRCH) return text::error(core::ErrorCode::not_found, what + ": it is gone");
  return core::Error::from_errno(what, errno);
}

}  // namespace pf::ctl
