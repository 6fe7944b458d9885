// A client's conversation with a daemon: find it or start it, greet it, send requests, read events. Blocking, no event
// loop; fd() can be polled beside others. Not thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <pfcore/frame_socket.hpp>
#include <pfcore/messages.hpp>
#include <pfcore/result.hpp>
#include <pfctl/daemon_process.hpp>
#include <pfctl/peer.hpp>
#include <pfctl/runtime_dir.hpp>

namespace pf::ctl {

class ClientConnection {
 public:
  // Poll for reading; but ask has_buffered_event() first.
  [[nodiscard]] int fd() const noexcept { return socket_.fd(); }
  [[nodiscard]] bool has_buffered_event() const noexcept { return socket_.has_buffered_frame(); }
  [[nodiscard]] const core::Welcome& welcome() const noexcept { return welcome_; }
  [[nodiscard]] const Peer& peer() const noexcept { return peer_; }
  // True when this connection's daemon was started for it.
  [[nodiscard]] bool started_daemon() const noexcept { return started_; }

  // Errors: closed (the daemon is gone), timed_out (it does not read), limit, system.
  template <typename T>
  [[nodiscard]] core::Status send(const T& message) { return send_payload(core::encode(message), {}); }
  // The descriptors are stdin, stdout, stderr of the run; they stay the caller's.
  [[nodiscard]] core::Status send_run(const core::RunRequest& request, const std::array<int, 3>& stdio);
  // The next event; nullopt when `timeout` passed first (nullopt = wait for ever).
  // Errors: closed, limit, malformed and the decoder's others, system.
  [[nodiscard]] core::Result<std::optional<core::Document>> next_event(
      std::optional<std::chrono::milliseconds> timeout = std::nullopt);
  // For whoever asks has_buffered_event() before each wait: reads as many events at once as have come. None may bring a descriptor.
  void read_ahead() noexcept { socket_.read_ahead(); }
  // As next_event, for the one answer that brings a descriptor.
  [[nodiscard]] core::Result<std::optional<core::ReceivedFrame>> next_frame(std::chrono::milliseconds timeout) { return socket_.receive(timeout); }
  void close() noexcept { socket_.close(); }

  // Greets over a connected socket: checks the peer, sends Hello, waits for Welcome. For tests and --no-daemon.
  // Errors: refused (another user, another protocol), closed, timed_out, malformed, system.
  [[nodiscard]] static core::Result<ClientConnection> greet(core::UniqueFd socket, std::chrono::milliseconds timeout);

 private:
  friend core::Result<ClientConnection> connect_to_daemon(const Address&, const struct ConnectOptions&);
  [[nodiscard]] core::Status send_payload(std::string_view payload, std::span<const int> fds);
  core::FrameSocket socket_;
  core::Welcome welcome_;
  Peer peer_;
  std::chrono::milliseconds send_timeout_{10000};
  bool started_ = false;
};

struct ConnectOptions {
  bool may_start = true;                          // false: not_found when no daemon answers (status, stop)
  bool replace_other_version = true;              // a daemon of another pfast version is asked to leave, and replaced
  StartOptions start;                             // how; start.timeout bounds the start itself
  std::chrono::milliseconds greet_timeout{10000};
  std::chrono::milliseconds lock_timeout{60000};  // for whoever is starting the same daemon now
  std::function<void()> on_start = [] {};         // called once before a daemon is started: "starting a daemon …"
};

// Connects and greets; with no daemon there, starts one under the spawn lock. Any number of clients at once get one daemon.
// Errors: not_found (none, and may_start is false), timed_out (what is there does not answer: pid and hint in the
// message), refused (not ours, or the daemon's own reason not to serve), closed, system.
[[nodiscard]] core::Result<ClientConnection> connect_to_daemon(const Address& address, const ConnectOptions& options);

}  // namespace pf::ctl
