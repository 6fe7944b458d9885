#include <pfctl/listener.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "hash.hpp"
#include "text.hpp"

namespace pf::ctl {
namespace {

constexpr int k_backlog = 1024;

// One per address, so that a bind that was killed before its rename is swept up by the next one.
std::string temporary_name(const Address& address) { return ".pfast-" + hash::hex64(address.socket) + ".new"; }

core::Error named_error(const Address& address, const char* what, int err) {
  return core::Error::from_errno(std::string(what) + " '" + address.socket_path() + "'", err);
}

bool accepts_connections(const Address& address) {
  const core::UniqueFd target(::openat(address.dir.get(), address.socket.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!target) return false;
  const auto name = socket_address(target.get(), "");
  const core::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || !name) return false;
  return ::connect(fd.get(), reinterpret_cast<const struct sockaddr*>(&*name), sizeof *name) == 0 || errno == EAGAIN;
}

// What lies at the address may be replaced when it is a socket that nobody serves. Whoever serves without our life lock
// (the predecessor's daemon at an explicit address) is not robbed of its name.
core::Status check_replaceable(const Address& address, bool replace_served) {
  struct stat info;
  if (::fstatat(address.dir.get(), address.socket.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? core::ok_status() : named_error(address, "look at", errno);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return text::error(core::ErrorCode::refused, "listen at '" + address.socket_path() + "': what lies there is no socket (" +
                                                     text::owner_and_mode(info) + "): choose another address");
  }
  if (replace_served || !accepts_connections(address)) return core::ok_status();
  return text::error(core::ErrorCode::exists, "listen at '" + address.socket_path() + "': another program serves that address (" +
                                                  text::owner_and_mode(info) + "): end it or choose another address");
}

void remove_leftover(int dir_fd, const std::string& name) {
  struct stat info;
  if (::fstatat(dir_fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(info.st_mode)) {
    (void)::unlinkat(dir_fd, name.c_str(), 0);
  }
}

bool is_at(int dir_fd, const std::string& name, dev_t dev, ino_t ino) noexcept {
  struct stat info;
  return ::fstatat(dir_fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && info.st_dev == dev && info.st_ino == ino;
}

}  // namespace

bool Listener::still_in_place() const noexcept { return dir_.valid() && is_at(dir_.get(), name_, dev_, ino_); }

bool Listener::unlink_if_ours() noexcept { return still_in_place() && ::unlinkat(dir_.get(), name_.c_str(), 0) == 0; }

core::Status Listener::move_to(const Address& address, const FileLock& life_lock, bool replace_served) {
  if (!life_lock.held()) {
    return text::error(core::ErrorCode::invalid_argument, "listen at '" + address.socket_path() + "': the life lock is not held");
  }
  if (auto checked = check_replaceable(address, replace_served); !checked) return checked;
  if (!still_in_place()) {
    return text::error(core::ErrorCode::refused, "listen at '" + address.socket_path() + "': the daemon's own socket is not in place");
  }
  if (::renameat(dir_.get(), name_.c_str(), address.dir.get(), address.socket.c_str()) != 0) return named_error(address, "put a socket at", errno);
  name_ = address.socket;
  return core::ok_status();
}

core::Result<Listener> bind_listener(const Address& address, const FileLock& life_lock, bool replace_served) {
  if (!life_lock.held()) {
    return text::error(core::ErrorCode::invalid_argument, "listen at '" + address.socket_path() + "': the life lock is not held");
  }
  if (auto checked = check_replaceable(address, replace_served); !checked) return std::move(checked).error();
  auto copy = clone(address);
  if (!copy) return std::move(copy).error();

  Listener listener;
  listener.dir_ = std::move(copy->dir);
  listener.name_ = address.socket;
  const int dir_fd = listener.dir_.get();
  const std::string temporary = temporary_name(address);
  remove_leftover(dir_fd, temporary);
  listener.fd_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.fd_) return named_error(address, "make a socket for", errno);
  const auto name = socket_address(dir_fd, temporary);
  if (!name) return name.error();
  if (::bind(listener.fd_.get(), reinterpret_cast<const struct sockaddr*>(&*name), sizeof *name) != 0) {
    return named_error(address, "bind", errno);
  }

  // Nobody can connect before listen, and nobody knows the name before rename.
  struct stat info;
  const bool done = ::fchmodat(dir_fd, temporary.c_str(), 0600, 0) == 0 &&
                    ::fstatat(dir_fd, temporary.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                    ::listen(listener.fd_.get(), k_backlog) == 0 &&
                    ::renameat(dir_fd, temporary.c_str(), dir_fd, address.socket.c_str()) == 0;
  if (!done) {
    const int err = errno;
    (void)::unlinkat(dir_fd, temporary.c_str(), 0);
    return named_error(address, "put a socket at", err);
  }
  listener.dev_ = info.st_dev;
  listener.ino_ = info.st_ino;
  return listener;
}

}  // namespace pf::ctl
