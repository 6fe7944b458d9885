// `pfast logs`: the daemon's log file; -f goes on as it grows, by inotify.
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "commands.hpp"
#include "context.hpp"
#include "exit_codes.hpp"
#include "say.hpp"
#include "terminal.hpp"

namespace pf::cli {
namespace {

// Not through a link: what lies there may be somebody else's in a shared folder.
core::UniqueFd open_log(const ctl::Address& address) {
  return core::UniqueFd(::openat(address.dir.get(), address.log.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
}

bool copy_rest(int fd) {
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got == 0) return true;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 || !write_to(1, {buffer.data(), static_cast<std::size_t>(got)})) return false;
  }
}

bool is_same_file(int a, int b) {
  struct stat first {};
  struct stat second {};
  return ::fstat(a, &first) == 0 && ::fstat(b, &second) == 0 && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

// Everything from here on; a daemon that starts anew may have set the log aside and begun another one.
int follow(const ctl::Address& address, core::UniqueFd log) {
  const core::UniqueFd watch(::inotify_init1(IN_CLOEXEC));
  if (!watch || ::inotify_add_watch(watch.get(), address.dir_path.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0) {
    return refuse(k_exit_internal, core::Error::from_errno("watch the folder '" + address.dir_path + "'", errno), "see /proc/sys/fs/inotify");
  }
  std::array<char, 4096> events;
  while (copy_rest(log.get())) {
    if (core::UniqueFd newer = open_log(address); newer && !is_same_file(newer.get(), log.get())) {
      copy_rest(log.get());   // what was written to it until it was set aside
      log = std::move(newer);
      continue;
    }
    if (::read(watch.get(), events.data(), events.size()) <= 0) break;
  }
  return 0;
}

}  // namespace

int logs_command(const LogsOptions& options) {
  int exit_code = 0;
  auto context = find_context(options.where, Purpose::look, exit_code);
  if (!context) return exit_code;
  core::UniqueFd log = open_log(context->address);
  if (!log) {
    const std::string path = context->address.path_of(context->address.log);
    return refuse(k_exit_no_daemon, core::Error::from_errno("open the log '" + path + "'", errno), "`pfast run` and `pfast serve` start a daemon");
  }
  if (options.follow) return follow(context->address, std::move(log));
  copy_rest(log.get());
  return 0;
}

}  // namespace pf::cli
