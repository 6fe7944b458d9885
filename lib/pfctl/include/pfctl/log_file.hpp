// The daemon's log file: appended to, rotated to <log>.1 at 1 MiB, never followed through a symbolic link.
#pragma once

#include <cstddef>
#include <string>

#include <pfcore/result.hpp>
#include <pfcore/unique_fd.hpp>
#include <pfctl/runtime_dir.hpp>

namespace pf::ctl {

inline constexpr std::size_t k_log_rotate_bytes = 1u << 20;

// Opens for appending (0600), rotating first when it has grown over the bound. A full or read-only disk gives /dev/null
// instead: no run fails for its log. Errors: refused (a symbolic link, no regular file, another owner), system.
[[nodiscard]] core::Result<core::UniqueFd> open_log(const Address& address);

// The end of the log: whole lines, at most max_bytes. Empty when it cannot be read.
[[nodiscard]] std::string log_tail(const Address& address, std::size_t max_bytes);

}  // namespace pf::ctl
