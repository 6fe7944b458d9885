// The daemon's listening socket, made by hand and handed to libuv as a descriptor: uv_pipe_bind truncates long paths, and
// its close unlinks whatever lies at the path by then.
#pragma once

#include <sys/types.h>

#include <string>

#include <pfcore/result.hpp>
#include <pfcore/unique_fd.hpp>
#include <pfctl/lock.hpp>
#include <pfctl/runtime_dir.hpp>

namespace pf::ctl {

class Listener {
 public:
  // Borrowed; or moved out for a loop that wants to own it.
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] core::UniqueFd take_fd() noexcept { return std::move(fd_); }
  // False when the socket at the path is not this one (any more): to be bound again.
  [[nodiscard]] bool still_in_place() const noexcept;
  // Gives the socket another name in its folder, over what lies there: a socket that nobody serves, or, with `replace_served`,
  // one whose server has shared that address's life lock with us. Who is in the queue stays there.
  // Errors: refused and exists (as bind_listener; or our socket is not in place any more), system. It has its old name then.
  [[nodiscard]] core::Status move_to(const Address& address, const FileLock& life_lock, bool replace_served);
  // Removes the socket file if it is still ours. Call with the life lock held. True when it was removed.
  bool unlink_if_ours() noexcept;

 private:
  friend core::Result<Listener> bind_listener(const Address&, const FileLock&, bool);
  core::UniqueFd fd_;
  core::UniqueFd dir_;
  std::string name_;
  dev_t dev_ = 0;
  ino_t ino_ = 0;
};

// Binds to a temporary name, chmod 0600, listen, rename over the address: at no moment does the address name a socket
// that does not accept. Non-blocking, close-on-exec. `life_lock` is the proof that nobody else may do so now.
// Errors: invalid_argument (the lock is not held), refused (something that is no socket lies there), system.
// `replace_served`: somebody serves there who has shared the life lock with us; he goes on with those who are in his queue.
[[nodiscard]] core::Result<Listener> bind_listener(const Address& address, const FileLock& life_lock, bool replace_served = false);

}  // namespace pf::ctl
