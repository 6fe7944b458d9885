// Lock files: flock on a file that is never unlinked. The lock lasts as long as the object (the kernel frees it when the
// process dies, however). Descriptors are close-on-exec: an exec'ed child does not share the lock, a forked one would.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <pfcore/result.hpp>
#include <pfcore/unique_fd.hpp>

namespace pf::ctl {

class FileLock {
 public:
  FileLock() = default;

  // Takes the lock of the file `name` in the folder `dir_fd`, which is made (0600) when it is not there. nullopt:
  // somebody else holds it. `path` is for messages.
  // Errors: refused (a symbolic link, no regular file, another owner), system.
  [[nodiscard]] static core::Result<std::optional<FileLock>> try_lock(int dir_fd, const std::string& name, const std::string& path);

  // As try_lock, but tries again for `timeout`. Errors: timed_out as well.
  [[nodiscard]] static core::Result<FileLock> lock(int dir_fd, const std::string& name, const std::string& path,
                                                   std::chrono::milliseconds timeout);

  // A lock that another process shares with us: the descriptor of share(), sent over a socket. It is held until both have let go.
  // Errors: refused (it is not the lock of the file that lies there, or somebody else holds that one).
  [[nodiscard]] static core::Result<FileLock> adopt(core::UniqueFd fd, int dir_fd, const std::string& name, const std::string& path);
  // Errors: system.
  [[nodiscard]] core::Result<core::UniqueFd> share() const;

  [[nodiscard]] bool held() const noexcept { return fd_.valid(); }
  // False when the file at the path is no longer the locked one: somebody removed or replaced it, and another process
  // could take "the" lock too.
  [[nodiscard]] bool still_in_place(int dir_fd) const noexcept;
  void unlock() noexcept { fd_.reset(); }

 private:
  FileLock(core::UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  core::UniqueFd fd_;
  std::string name_;
};

}  // namespace pf::ctl
