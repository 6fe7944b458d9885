#include <pfcore/unique_fd.hpp>

#include <cerrno>

#include <unistd.h>

namespace pf::core {

void UniqueFd::reset(int fd) noexcept {
  const int old = std::exchange(fd_, fd);
  if (old < 0) return;
  // EINTR is no reason to try again: Linux has released the number already. errno belongs to the caller's failure.
  const int saved = errno;
  ::close(old);
  errno = saved;
}

}  // namespace pf::core
