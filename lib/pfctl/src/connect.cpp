#include <pfctl/connect.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "text.hpp"

namespace pf::ctl {
namespace {

using core::ErrorCode;

core::Error no_daemon(const Address& address, const char* why) {
  return text::error(ErrorCode::not_found, "connect to '" + address.socket_path() + "': " + why);
}

// For connect, which waits for a place in the queue as long as a send may wait.
void set_send_timeout(int fd, std::chrono::milliseconds timeout) noexcept {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  struct timeval value {};
  value.tv_sec = seconds.count();
  value.tv_usec = std::chrono::microseconds(timeout - seconds).count();
  (void)::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &value, sizeof value);
}

constexpr int k_most_successors = 8;   // of the socket, between look and connect

// Errors: those of connect_socket. `seen`: device and inode of the socket that was looked at.
core::Result<core::UniqueFd> connect_once(const Address& address, std::chrono::milliseconds timeout, std::pair<dev_t, ino_t>& seen) {
  // Through a descriptor of the socket file: a name of any length, and what is looked at is what is connected to.
  const core::UniqueFd target(::openat(address.dir.get(), address.socket.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!target && errno == ENOENT) return no_daemon(address, "no daemon is running there");
  struct stat info;
  if (!target || ::fstat(target.get(), &info) != 0) return text::system_error("look at '" + address.socket_path() + "'", errno);
  seen = {info.st_dev, info.st_ino};
  if (!S_ISSOCK(info.st_mode) || info.st_uid != ::geteuid()) {
    return text::error(ErrorCode::refused, "connect to '" + address.socket_path() + "': it is no socket of ours (" +
                                               text::owner_and_mode(info) + "): `rm " + text::shell_word(address.socket_path()) +
                                               "` or choose another address");
  }
  const auto name = socket_address(target.get(), "");
  if (!name) return name.error();
  core::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return text::system_error("make a socket", errno);
  set_send_timeout(fd.get(), timeout);
  int result;
  do result = ::connect(fd.get(), reinterpret_cast<const struct sockaddr*>(&*name), sizeof *name);
  while (result != 0 && errno == EINTR);   // waiting for the backlog was interrupted: nothing had begun
  if (result == 0) {
    set_send_timeout(fd.get(), std::chrono::milliseconds(0));
    return fd;
  }
  if (errno == ECONNREFUSED) return no_daemon(address, "the daemon that made this socket is gone");
  if (errno == EAGAIN) {
    return text::error(ErrorCode::timed_out, "connect to '" + address.socket_path() + "': its queue has been full for " +
                                                 std::to_string(timeout.count()) + " ms; `pfast stop` or kill process " +
                                                 std::to_string(read_pid(address)));
  }
  return core::Error::from_errno("connect to '" + address.socket_path() + "'", errno);
}

}  // namespace

core::Result<core::UniqueFd> connect_socket(const Address& address, std::chrono::milliseconds timeout) {
  std::pair<dev_t, ino_t> before{};
  for (int attempt = 0;; ++attempt) {
    std::pair<dev_t, ino_t> seen{};
    auto socket = connect_once(address, timeout, seen);
    // A successor has renamed its socket over the one that was looked at: that one is nobody's any more.
    const bool dead = !socket && socket.error().code == ErrorCode::not_found && seen.second != 0;
    if (!dead || seen == before || attempt == k_most_successors) return socket;
    before = seen;
  }
}

}  // namespace pf::ctl
