#include "timed_send.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <pfcore/frame.hpp>
#include <pfcore/frame_socket.hpp>

#include "text.hpp"

namespace pf::ctl {
namespace {

using Clock = std::chrono::steady_clock;
using core::ErrorCode;

struct alignas(cmsghdr) ControlBuffer {
  std::array<char, CMSG_SPACE(core::k_max_frame_fds * sizeof(int))> bytes{};
};

ssize_t send_some(int fd, std::string_view bytes, std::span<const int> fds) {
  struct iovec part {const_cast<char*>(bytes.data()), bytes.size()};   // sendmsg only reads; its type is older than const
  struct msghdr message {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  ControlBuffer control;
  if (!fds.empty()) {
    message.msg_control = control.bytes.data();
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  return ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

core::Status send_frame(int fd, std::string_view payload, std::span<const int> fds, std::chrono::milliseconds timeout) {
  if (fds.size() > core::k_max_frame_fds) return text::error(ErrorCode::limit, "send a frame: too many descriptors with it");
  const auto frame = core::encode_frame(payload);
  if (!frame) return frame.error();
  const auto deadline = Clock::now() + timeout;
  std::string_view left = *frame;
  while (!left.empty()) {
    const ssize_t sent = send_some(fd, left, fds);
    if (sent > 0) {
      left.remove_prefix(static_cast<std::size_t>(sent));
      fds = {};
      continue;
    }
    if (errno == EPIPE || errno == ECONNRESET) return text::error(ErrorCode::closed, "send a frame: the other side has closed the connection");
    if (errno != EAGAIN && errno != EINTR) return text::system_error("send a frame", errno);
    const auto wait_ms = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (wait_ms <= 0) return text::error(ErrorCode::timed_out, "send a frame: the other side does not read");
    struct pollfd writable {fd, POLLOUT, 0};
    (void)::poll(&writable, 1, static_cast<int>(std::min<long long>(wait_ms, 1'000'000)));
  }
  return core::ok_status();
}

}  // namespace pf::ctl
