// Private to pfctl.
#pragma once

#include <chrono>
#include <span>
#include <string_view>

#include <pfcore/result.hpp>

namespace pf::ctl {

// Sends one frame, with descriptors on its first byte, within `timeout`: FrameSocket::send waits for its reader for ever,
// and a daemon that was stopped must not stop its clients. After an error the stream is lost.
// Errors: closed, timed_out, limit, system.
[[nodiscard]] core::Status send_frame(int fd, std::string_view payload, std::span<const int> fds, std::chrono::milliseconds timeout);

}  // namespace pf::ctl
