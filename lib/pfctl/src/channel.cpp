#include <pfctl/channel.hpp>

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace pf::ctl {
namespace {

constexpr std::size_t k_read_bytes = 128u << 10;
constexpr int k_reads_per_turn = 4;            // one talkative peer must not keep the others waiting
constexpr std::size_t k_fds_per_read = 16;
constexpr std::size_t k_max_arrived_fds = 32;
constexpr std::size_t k_frames_per_write = 32;

using ControlBuffer = std::array<char, CMSG_SPACE(sizeof(int) * k_fds_per_read)>;

void collect_fds(struct msghdr& message, std::vector<core::UniqueFd>& out) {
  for (struct cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      out.emplace_back(fd);
    }
  }
}

void attach_fds(struct msghdr& message, ControlBuffer& control, const std::vector<core::UniqueFd>& fds) {
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
  struct cmsghdr* part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
  for (std::size_t i = 0; i < fds.size(); ++i) {
    const int fd = fds[i].get();
    std::memcpy(CMSG_DATA(part) + i * sizeof(int), &fd, sizeof fd);
  }
}

bool would_block(int err) { return err == EAGAIN || err == EWOULDBLOCK; }

}  // namespace

Channel::Channel(Loop& loop, ChannelHandler& handler, ChannelOptions options)
    : loop_(loop),
      handler_(handler),
      accept_fds_(options.accept_fds),
      watch_(loop),
      reader_(options.max_frame_bytes),
      self_(std::make_shared<Channel*>(this)) {}

Channel::~Channel() { *self_ = nullptr; }

core::Status Channel::open(core::UniqueFd fd) {
  if (auto watching = watch_.open(fd.get(), [this](FdWatch::Ready ready) { on_ready(ready); }); !watching) {
    return std::move(watching).error();
  }
  fd_ = std::move(fd);
  update_watch();
  return core::ok_status();
}

void Channel::update_watch() {
  if (!fd_.valid()) return;
  watch_.want(!paused_ && !closing_, blocked_);
}

void Channel::on_ready(FdWatch::Ready ready) {
  if (ready.writable || ready.failed) {
    blocked_ = false;
    flush();
  }
  if (!fd_.valid()) return;
  if ((ready.readable && !paused_ && !closing_) || ready.failed) {
    for (int turn = 0; turn < k_reads_per_turn; ++turn) {
      const ReadStep step = read_once();
      if (step == ReadStep::ended) return;
      if (step != ReadStep::more || paused_ || closing_) break;
    }
    handler_.on_read(*this);
  }
  update_watch();
}

void Channel::drain() {
  if (!fd_.valid() || closing_) return;
  for (;;) {
    const ReadStep step = read_once();
    if (step == ReadStep::ended) return;
    if (step == ReadStep::drained) break;
  }
  handler_.on_read(*this);
}

Channel::ReadStep Channel::read_once() {
  static thread_local std::array<char, k_read_bytes> buffer;
  ControlBuffer control;
  struct iovec part{buffer.data(), buffer.size()};
  struct msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (accept_fds_) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
  }
  const ssize_t got = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0 && errno == EINTR) return ReadStep::more;
  if (got < 0 && would_block(errno)) return ReadStep::drained;
  if (got < 0 && errno != ECONNRESET) {
    end(core::Error::from_errno("read from the peer", errno));
    return ReadStep::ended;
  }
  if (accept_fds_ && got > 0) collect_fds(message, arrived_);
  if (got <= 0) {
    end({core::ErrorCode::closed, "read: the peer closed the connection", 0, 0});
    return ReadStep::ended;
  }
  if (arrived_.size() > k_max_arrived_fds) {
    end({core::ErrorCode::limit, "read: more descriptors than any message carries", 0, 0});
    return ReadStep::ended;
  }
  reader_.feed({buffer.data(), static_cast<std::size_t>(got)});
  if (!deliver_frames()) return ReadStep::ended;
  return static_cast<std::size_t>(got) < buffer.size() ? ReadStep::partial : ReadStep::more;
}

// False when the channel has ended or was closed by a handler.
bool Channel::deliver_frames() {
  while (fd_.valid() && !closing_) {
    auto frame = reader_.next();
    if (!frame) {
      if (!handler_.on_broken(*this, frame.error())) end(frame.error());
      return false;
    }
    if (!frame->has_value()) return true;
    handler_.on_frame(*this, **frame);
  }
  return fd_.valid();
}

void Channel::end(const core::Error& why) {
  close();
  handler_.on_end(*this, why);
}

std::vector<core::UniqueFd> Channel::take_fds(std::size_t count) {
  std::vector<core::UniqueFd> taken;
  if (arrived_.size() < count) return taken;
  const auto last = arrived_.begin() + static_cast<std::ptrdiff_t>(count);
  std::move(arrived_.begin(), last, std::back_inserter(taken));
  arrived_.erase(arrived_.begin(), last);
  return taken;
}

void Channel::pause_reading() {
  paused_ = true;
  update_watch();
}

void Channel::resume_reading() {
  paused_ = false;
  update_watch();
}

void Channel::send(std::string_view payload, std::vector<core::UniqueFd> fds) {
  if (enqueue(payload, std::move(fds))) schedule_flush();
}

void Channel::queue(std::string_view payload) { (void)enqueue(payload, {}); }

void Channel::flush_queued() {
  if (!queue_.empty()) schedule_flush();
}

bool Channel::enqueue(std::string_view payload, std::vector<core::UniqueFd> fds) {
  if (!fd_.valid() || write_failed_) return false;
  auto frame = core::encode_frame(payload);
  if (!frame) return false;
  queued_bytes_ += frame->size();
  queue_.push_back({std::move(*frame), std::move(fds)});
  return true;
}

void Channel::schedule_flush() {
  if (flush_scheduled_ || blocked_) return;
  flush_scheduled_ = true;
  loop_.defer([self = self_] {
    if (*self == nullptr) return;
    (*self)->flush_scheduled_ = false;
    (*self)->flush();
    (*self)->update_watch();
  });
}

void Channel::flush() {
  const std::size_t before = queued_bytes_;
  while (fd_.valid() && !queue_.empty() && !blocked_ && send_front()) {}
  if (!fd_.valid()) return;
  if (closing_ && queue_.empty()) {
    end({core::ErrorCode::closed, "keep the connection: it was closed on purpose", 0, 0});
    return;
  }
  if (queued_bytes_ < before) handler_.on_sent(*this);
}

// Writes from the head of the queue; false when nothing more can be written now.
bool Channel::send_front() {
  std::array<struct iovec, k_frames_per_write> parts;
  struct msghdr message{};
  message.msg_iov = parts.data();
  ControlBuffer control;
  const bool with_fds = front_offset_ == 0 && !queue_.front().fds.empty();
  if (with_fds) attach_fds(message, control, queue_.front().fds);
  std::size_t offset = front_offset_;
  for (Outgoing& frame : queue_) {
    if (message.msg_iovlen == parts.size() || (message.msg_iovlen > 0 && (with_fds || !frame.fds.empty()))) break;
    parts[message.msg_iovlen++] = {frame.bytes.data() + offset, frame.bytes.size() - offset};
    offset = 0;
  }
  const ssize_t sent = ::sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno == EINTR) return true;
  if (sent < 0 && would_block(errno)) {
    blocked_ = true;
    return false;
  }
  if (sent < 0) {
    // The reading side learns of it, and after everything that the peer had still said.
    write_failed_ = true;
    queue_.clear();
    queued_bytes_ = 0;
    front_offset_ = 0;
    return false;
  }
  queued_bytes_ -= static_cast<std::size_t>(sent);
  front_offset_ += static_cast<std::size_t>(sent);
  queue_.front().fds.clear();
  while (!queue_.empty() && front_offset_ >= queue_.front().bytes.size()) {
    front_offset_ -= queue_.front().bytes.size();
    queue_.pop_front();
  }
  return true;
}

void Channel::close_when_sent() {
  closing_ = true;
  update_watch();
  schedule_flush();
}

void Channel::close() {
  watch_.stop();
  fd_.reset();
  arrived_.clear();
  queue_.clear();
  queued_bytes_ = 0;
  front_offset_ = 0;
}

}  // namespace pf::ctl
