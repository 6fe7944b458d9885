// A client's conversation with a daemon of version 1, the predecessor's: one command, its answers, the end. Blocking, no event
// loop; fd() can be polled beside others. Not thread-safe.
//
// Such a daemon serves one client at a time: while its run lasts it answers nobody, and who has connected waits in its queue.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include <pfcore/frame_socket.hpp>
#include <pfcore/messages_v1.hpp>
#include <pfcore/pickle_reader.hpp>
#include <pfcore/result.hpp>
#include <pfctl/peer.hpp>
#include <pfctl/runtime_dir.hpp>

namespace pf::ctl {

// An answer, and the document that a report's values belong to.
struct V1Message {
  core::Document document;
  core::v1::Answer answer;
};

class V1Connection {
 public:
  [[nodiscard]] int fd() const noexcept { return socket_.fd(); }
  [[nodiscard]] bool has_buffered_answer() const noexcept { return socket_.has_buffered_frame(); }
  [[nodiscard]] const Peer& peer() const noexcept { return peer_; }

  // Errors: closed, timed_out (it does not read), limit, system.
  [[nodiscard]] core::Status send(const core::v1::Command& command);
  // The next answer; nullopt when `timeout` passed first (nullopt = wait for ever).
  // Errors: closed, limit, malformed and the decoder's others, system.
  [[nodiscard]] core::Result<std::optional<V1Message>> next_answer(std::optional<std::chrono::milliseconds> timeout = std::nullopt);

 private:
  friend core::Result<std::optional<V1Connection>> connect_to_v1_daemon(const Address&);
  core::FrameSocket socket_;
  Peer peer_;
};

// Connects when somebody serves the address without its life lock, which every daemon of pfast holds: the predecessor's daemon,
// or what it leaves to find out. nullopt: nobody serves there, or pfast's own.
// Errors: refused (no socket of ours, or another user's daemon), timed_out (its queue is full), system.
[[nodiscard]] core::Result<std::optional<V1Connection>> connect_to_v1_daemon(const Address& address);

// Asks that daemon to leave and waits until nobody serves the address; nobody there is success. Its run ends first.
// `give_up` is asked now and then.
// Errors: timed_out (it is still there), refused, system.
[[nodiscard]] core::Status end_v1_daemon(const Address& address, std::chrono::milliseconds timeout, const std::function<bool()>& give_up);

}  // namespace pf::ctl
