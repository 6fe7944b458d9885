// Blocking frames over a connected AF_UNIX stream socket, with descriptors as SCM_RIGHTS. For processes without an
// event loop: the forkserver, controllers, workers and the native clients. Descriptors that arrive are close-on-exec.
//
// A frame is read exactly to its end and never further, so that descriptors are matched with their frame whatever way
// the peer's writes were cut. Descriptors travel with the first byte of the frame that they belong to. Where none are to
// come, read_ahead() reads what has arrived in one call, however many frames that is.
//
// Not thread-safe. Fork: a child that must not talk drops the object; close does not disturb the parent's copy.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pfcore/export.hpp>
#include <pfcore/frame.hpp>
#include <pfcore/result.hpp>
#include <pfcore/unique_fd.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

inline constexpr std::size_t k_max_frame_fds = 8;

struct ReceivedFrame {
  std::string payload;
  std::vector<UniqueFd> fds;
};

class FrameSocket {
 public:
  FrameSocket() = default;
  explicit FrameSocket(UniqueFd fd, std::size_t max_payload_bytes = k_frame_cap_bytes);

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] bool valid() const noexcept { return fd_.valid(); }
  [[nodiscard]] UniqueFd release() noexcept;
  void close() noexcept { fd_.reset(); }

  // Sends the whole frame or fails; never raises SIGPIPE. The descriptors stay the caller's.
  // Errors: closed, limit (the payload, or more than k_max_frame_fds descriptors), system. After closed and system a
  // part of the frame may be out: the stream is lost.
  [[nodiscard]] Status send(std::string_view payload, std::span<const int> fds = {});
  // Waits for the next frame; nullopt when `timeout` passed first (nullopt = for ever). What has arrived of a frame is
  // kept for the next call. Errors: closed (orderly or half way in a frame), limit, system.
  [[nodiscard]] Result<std::optional<ReceivedFrame>> receive(std::optional<std::chrono::milliseconds> timeout = std::nullopt);
  // True when a whole frame is buffered already, so that poll() on fd() would wait in vain.
  [[nodiscard]] bool has_buffered_frame() const noexcept;
  // For a stream of many small frames. From now on a frame that brings descriptors is an error (limit).
  void read_ahead() noexcept { reads_ahead_ = true; }

 private:
  Status read_some();
  Status cut_frame();

  UniqueFd fd_;
  FrameReader reader_;
  std::vector<UniqueFd> arrived_;      // with the frame in progress
  std::optional<std::string> ready_;
  bool reads_ahead_ = false;
};

// A connected pair, both ends close-on-exec.
[[nodiscard]] Result<std::pair<UniqueFd, UniqueFd>> make_socket_pair();

}  // namespace pf::core
PF_CORE_API_END
