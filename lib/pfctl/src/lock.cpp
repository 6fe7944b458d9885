#include <pfctl/lock.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "text.hpp"

namespace pf::ctl {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int k_max_replacements = 16;   // of the file, between open and flock

core::Result<core::UniqueFd> open_lock_file(int dir_fd, const std::string& name, const std::string& path) {
  // O_NONBLOCK: what lies there may be a FIFO.
  core::UniqueFd fd(::openat(dir_fd, name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600));
  if (!fd) {
    const int err = errno;
    const std::string found = err == ELOOP || err == EACCES ? text::in_the_way(dir_fd, name) : std::string();
    if (found.empty()) return core::Error::from_errno("open the lock '" + path + "'", err);
    return text::error(core::ErrorCode::refused, "open the lock '" + path + "': " + found + ": `rm " + text::shell_word(path) +
                                                     "` if nobody needs it");
  }
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return core::Error::from_errno("look at the lock '" + path + "'", errno);
  if (!S_ISREG(info.st_mode) || info.st_uid != ::geteuid()) {
    return text::error(core::ErrorCode::refused, "use the lock '" + path + "': it is not a regular file of ours (" +
                                                     text::owner_and_mode(info) + "): `rm " + text::shell_word(path) + "`");
  }
  // Ours, but made with another umask or opened up since: whoever can open it can hold it.
  if ((info.st_mode & 07777) != 0600) (void)::fchmod(fd.get(), 0600);
  return fd;
}

bool same_file_at(int fd, int dir_fd, const char* name) noexcept {
  struct stat held;
  struct stat there;
  return ::fstat(fd, &held) == 0 && ::fstatat(dir_fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && held.st_dev == there.st_dev &&
         held.st_ino == there.st_ino;
}

int flock_now(int fd) noexcept {
  int result;
  do result = ::flock(fd, LOCK_EX | LOCK_NB);
  while (result != 0 && errno == EINTR);
  return result;
}

}  // namespace

core::Result<std::optional<FileLock>> FileLock::try_lock(int dir_fd, const std::string& name, const std::string& path) {
  for (int attempt = 0; attempt < k_max_replacements; ++attempt) {
    auto fd = open_lock_file(dir_fd, name, path);
    if (!fd) return std::move(fd).error();
    if (flock_now(fd->get()) != 0) {
      if (errno == EWOULDBLOCK) return std::optional<FileLock>();
      return core::Error::from_errno("lock '" + path + "'", errno);
    }
    // Removed or replaced between open and flock: a lock that nobody else would meet.
    if (same_file_at(fd->get(), dir_fd, name.c_str())) return std::optional(FileLock(std::move(*fd), name));
  }
  return text::error(core::ErrorCode::refused, "lock '" + path + "': somebody keeps replacing the file");
}

core::Result<FileLock> FileLock::lock(int dir_fd, const std::string& name, const std::string& path,
                                      std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  int pause_ms = 2;
  for (;;) {
    auto taken = try_lock(dir_fd, name, path);
    if (!taken) return std::move(taken).error();
    if (taken->has_value()) return std::move(**taken);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) {
      return text::error(core::ErrorCode::timed_out,
                         "take the lock '" + path + "' within " + std::to_string(timeout.count()) + " ms: another process holds it");
    }
    // flock has no time limit but a signal, which a library must not use.
    ::poll(nullptr, 0, std::min(pause_ms, static_cast<int>(std::min<long long>(left, 1000))));
    pause_ms = std::min(pause_ms * 2, 25);
  }
}

core::Result<FileLock> FileLock::adopt(core::UniqueFd fd, int dir_fd, const std::string& name, const std::string& path) {
  // Of a lock that is held by this very open file description, flock is no conflict.
  if (fd && same_file_at(fd.get(), dir_fd, name.c_str()) && flock_now(fd.get()) == 0) return FileLock(std::move(fd), name);
  return text::error(core::ErrorCode::refused, "take over the lock '" + path + "': what was handed over is another one");
}

core::Result<core::UniqueFd> FileLock::share() const {
  core::UniqueFd copy(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 3));
  if (!copy) return core::Error::from_errno("share the lock '" + name_ + "'", errno);
  return copy;
}

bool FileLock::still_in_place(int dir_fd) const noexcept { return held() && same_file_at(fd_.get(), dir_fd, name_.c_str()); }

}  // namespace pf::ctl
