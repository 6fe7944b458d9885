// Frames over a non-blocking AF_UNIX stream socket on the loop: the daemon's end of every conversation.
//
// What is sent is queued and written at the end of the loop's turn, many frames in one system call; descriptors travel
// with the first byte of their frame and no other frame shares their system call. The queue is not bounded here: the
// owner looks at queued_bytes() and stops its sources, drops, or closes.
//
// Not thread-safe. Handlers may call anything of the channel, close() included, but must not destroy it: they defer that.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <pfcore/frame.hpp>
#include <pfcore/result.hpp>
#include <pfcore/unique_fd.hpp>

#include <pfctl/loop.hpp>

namespace pf::ctl {

class Channel;

class ChannelHandler {
 public:
  virtual ~ChannelHandler() = default;
  // One whole frame. `payload` is valid for the call.
  virtual void on_frame(Channel& channel, std::string_view payload) = 0;
  // The stream is over, once: closed by the peer (ErrorCode::closed), lost (limit, system), or given up by the owner of
  // the bound. Nothing follows; the channel is closed. An incomplete frame was discarded.
  virtual void on_end(Channel& channel, const core::Error& why) = 0;
  // What came is no frame (limit). True: the handler says its last word and closes; false: the channel ends.
  virtual bool on_broken(Channel&, const core::Error&) { return false; }
  // After a batch of reads. pending_bytes() tells whether a frame has begun.
  virtual void on_read(Channel&) {}
  // Bytes left the queue.
  virtual void on_sent(Channel&) {}
};

struct ChannelOptions {
  std::size_t max_frame_bytes = core::k_frame_cap_bytes;
  bool accept_fds = false;       // false: descriptors that a peer sends are closed by the kernel
};

class Channel {
 public:
  Channel(Loop& loop, ChannelHandler& handler, ChannelOptions options = {});
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel();

  // Takes the socket and starts to read. Errors: system; the channel is then closed.
  [[nodiscard]] core::Status open(core::UniqueFd fd);
  [[nodiscard]] bool is_open() const noexcept { return fd_.valid(); }
  // Queues one frame. On a closed channel nothing happens. More than core::k_frame_cap_bytes: the frame is dropped.
  void send(std::string_view payload, std::vector<core::UniqueFd> fds = {});
  // Queues one frame that nothing is written for: it goes with the next send() or flush_queued().
  void queue(std::string_view payload);
  void flush_queued();
  [[nodiscard]] std::size_t queued_bytes() const noexcept { return queued_bytes_; }
  // Reads what has arrived, whether reading is paused or not, and ends the channel at EOF.
  void drain();
  void pause_reading();
  void resume_reading();
  [[nodiscard]] bool reading_paused() const noexcept { return paused_; }
  void set_limit(std::size_t max_frame_bytes) noexcept { reader_.set_limit(max_frame_bytes); }
  [[nodiscard]] std::size_t pending_bytes() const noexcept { return reader_.pending_bytes(); }
  // Those bytes; valid until something is read.
  [[nodiscard]] std::string_view pending() const noexcept { return reader_.pending(); }
  // The oldest `count` descriptors that arrived, or none when there are fewer.
  [[nodiscard]] std::vector<core::UniqueFd> take_fds(std::size_t count);
  // No more reading; ends (on_end) when the queue has been written.
  void close_when_sent();
  void close();

 private:
  struct Outgoing {
    std::string bytes;
    std::vector<core::UniqueFd> fds;
  };
  enum class ReadStep { more, partial, drained, ended };   // partial: some bytes, and probably no more just now

  void update_watch();
  void on_ready(FdWatch::Ready ready);
  ReadStep read_once();
  bool deliver_frames();
  bool enqueue(std::string_view payload, std::vector<core::UniqueFd> fds);
  void schedule_flush();
  void flush();
  bool send_front();
  void end(const core::Error& why);

  Loop& loop_;
  ChannelHandler& handler_;
  bool accept_fds_;
  core::UniqueFd fd_;
  FdWatch watch_;
  core::FrameReader reader_;
  std::vector<core::UniqueFd> arrived_;
  std::deque<Outgoing> queue_;
  std::size_t front_offset_ = 0;
  std::size_t queued_bytes_ = 0;
  bool paused_ = false;
  bool closing_ = false;
  bool write_failed_ = false;
  bool blocked_ = false;          // the socket took no more: wait for writability
  bool flush_scheduled_ = false;
  std::shared_ptr<Channel*> self_;  // cleared by the destructor: deferred tasks look here
};

}  // namespace pf::ctl
