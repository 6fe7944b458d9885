#include <pfcore/frame_socket.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace pf::core {
namespace {

using Clock = std::chrono::steady_clock;
using Deadline = std::optional<Clock::time_point>;

constexpr std::size_t k_read_bytes = 64u << 10;

struct alignas(cmsghdr) ControlBuffer {
  std::array<char, CMSG_SPACE(k_max_frame_fds * sizeof(int))> bytes{};
};

Error closed(const char* how) { return {ErrorCode::closed, std::string("talk to the other side: ") + how}; }

Error socket_error(const char* what, int err) {
  if (err == EPIPE || err == ECONNRESET) return closed("it has closed the connection");
  return Error::from_errno(what, err);
}

// Milliseconds for poll(), rounded up, -1 for ever.
int poll_timeout(const Deadline& deadline) noexcept {
  if (!deadline) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<std::chrono::milliseconds::rep>(left, 0, INT_MAX));
}

// True when the socket is ready for `events` (or broken, which the next call will tell), false past the deadline.
Result<bool> wait_for(int fd, short events, const Deadline& deadline) {
  for (;;) {
    pollfd waiting{fd, events, 0};
    const int ready = ::poll(&waiting, 1, poll_timeout(deadline));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return Error::from_errno("wait for a socket", errno);
    if (deadline && Clock::now() >= *deadline) return false;
  }
}

void attach_fds(msghdr& message, ControlBuffer& control, std::span<const int> fds) {
  message.msg_control = control.bytes.data();
  message.msg_controllen = CMSG_SPACE(fds.size_bytes());
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(fds.size_bytes());
  std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
}

void take_fds(msghdr& message, std::vector<UniqueFd>& into) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      into.emplace_back(fd);
    }
  }
}

// Advances a two-part message past what was sent.
void skip_sent(std::array<iovec, 2>& parts, std::size_t sent) {
  for (iovec& part : parts) {
    const std::size_t here = std::min(sent, part.iov_len);
    part.iov_base = static_cast<char*>(part.iov_base) + here;
    part.iov_len -= here;
    sent -= here;
  }
}

}  // namespace

FrameSocket::FrameSocket(UniqueFd fd, std::size_t max_payload_bytes) : fd_(std::move(fd)), reader_(max_payload_bytes) {}

UniqueFd FrameSocket::release() noexcept { return std::move(fd_); }

bool FrameSocket::has_buffered_frame() const noexcept { return ready_.has_value(); }

Status FrameSocket::send(std::string_view payload, std::span<const int> fds) {
  if (!fd_) return closed("the socket is closed on this side");
  if (Status allowed = check_frame_length(payload.size()); !allowed) return allowed;
  if (fds.size() > k_max_frame_fds) {
    return Error{ErrorCode::limit, "send a frame: more than " + std::to_string(k_max_frame_fds) + " descriptors with it"};
  }
  FrameHeader header = frame_header(payload.size());
  // sendmsg only reads through iov_base; its type is older than const.
  std::array<iovec, 2> parts{iovec{header.data(), header.size()},
                             iovec{const_cast<char*>(payload.data()), payload.size()}};
  ControlBuffer control;
  std::size_t left = header.size() + payload.size();
  bool fds_to_send = !fds.empty();
  while (left > 0) {
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    if (fds_to_send) attach_fds(message, control, fds);
    const ssize_t sent = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
    if (sent >= 0) {
      fds_to_send = false;
      skip_sent(parts, static_cast<std::size_t>(sent));
      left -= static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (Result<bool> ready = wait_for(fd_.get(), POLLOUT, std::nullopt); !ready) return std::move(ready).error();
    } else if (errno != EINTR) {
      return socket_error("send a frame", errno);
    }
  }
  return ok_status();
}

// Moves a frame that the reader holds whole to ready_.
Status FrameSocket::cut_frame() {
  Result<std::optional<std::string_view>> payload = reader_.next();
  if (!payload) return std::move(payload).error();
  if (*payload) ready_.emplace(**payload);
  return ok_status();
}

// One read; unless it may read ahead, never past the end of the frame in progress: descriptors that arrive with it are that frame's.
Status FrameSocket::read_some() {
  std::array<char, k_read_bytes> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by the kernel
  iovec part{bytes.data(), reads_ahead_ ? bytes.size() : std::min(bytes.size(), reader_.missing_bytes())};
  ControlBuffer control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!reads_ahead_) {
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
  }
  const ssize_t got = ::recvmsg(fd_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0) {
    if (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK) return ok_status();
    return socket_error("receive a frame", errno);
  }
  take_fds(message, arrived_);
  if ((message.msg_flags & MSG_CTRUNC) != 0 || arrived_.size() > k_max_frame_fds) {
    arrived_.clear();
    return Error{ErrorCode::limit, "receive a frame: more than " + std::to_string(reads_ahead_ ? 0 : k_max_frame_fds) + " descriptors with it"};
  }
  if (got == 0) {
    return closed(reader_.pending_bytes() == 0 ? "it has closed the connection" : "it has closed the connection inside a frame");
  }
  reader_.feed({bytes.data(), static_cast<std::size_t>(got)});
  return cut_frame();
}

Result<std::optional<ReceivedFrame>> FrameSocket::receive(std::optional<std::chrono::milliseconds> timeout) {
  if (!fd_) return closed("the socket is closed on this side");
  const Deadline deadline = timeout ? Deadline(Clock::now() + *timeout) : std::nullopt;
  if (!ready_) {
    if (Status held = cut_frame(); !held) return std::move(held).error();
  }
  while (!ready_) {
    Result<bool> readable = wait_for(fd_.get(), POLLIN, deadline);
    if (!readable) return std::move(readable).error();
    if (!*readable) return std::optional<ReceivedFrame>();
    if (Status read = read_some(); !read) return std::move(read).error();
  }
  std::optional<ReceivedFrame> frame(ReceivedFrame{std::move(*ready_), std::move(arrived_)});
  ready_.reset();
  arrived_.clear();
  (void)cut_frame();   // read ahead; what is wrong with it the next call says
  return frame;
}

Result<std::pair<UniqueFd, UniqueFd>> make_socket_pair() {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Error::from_errno("make a socket pair", errno);
  }
  return std::pair<UniqueFd, UniqueFd>(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

}  // namespace pf::core
