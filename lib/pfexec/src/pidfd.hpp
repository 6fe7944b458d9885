// A descriptor that becomes readable when the process ends.
#pragma once

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <pfcore/unique_fd.hpp>

namespace pf::exec {

[[nodiscard]] inline core::UniqueFd open_pidfd(pid_t pid) noexcept {
  return core::UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

}  // namespace pf::exec
