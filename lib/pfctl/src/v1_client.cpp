#include <pfctl/v1_client.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include <pfctl/connect.hpp>
#include <pfctl/lock.hpp>

#include "text.hpp"
#include "timed_send.hpp"

namespace pf::ctl {
namespace {

using Clock = std::chrono::steady_clock;
using core::ErrorCode;
using std::chrono::milliseconds;

constexpr milliseconds k_connect_timeout{5000};
constexpr milliseconds k_send_timeout{10000};
constexpr milliseconds k_look{50};

// Without making the file: looking leaves nothing behind.
core::Result<bool> life_lock_is_held(const Address& address) {
  struct stat info;
  if (::fstatat(address.dir.get(), address.life_lock.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return false;
  auto lock = FileLock::try_lock(address.dir.get(), address.life_lock, address.path_of(address.life_lock));
  if (!lock) return std::move(lock).error();
  return !lock->has_value();
}

bool is_nobody(const core::Error& error) { return error.code == ErrorCode::not_found; }

}  // namespace

core::Status V1Connection::send(const core::v1::Command& command) {
  return send_frame(socket_.fd(), core::v1::encode(command), {}, k_send_timeout);
}

core::Result<std::optional<V1Message>> V1Connection::next_answer(std::optional<milliseconds> timeout) {
  auto frame = socket_.receive(timeout);
  if (!frame) return std::move(frame).error();
  if (!frame->has_value()) return std::optional<V1Message>();
  auto document = core::decode_pickle((*frame)->payload, core::Limits::result());
  if (!document) return std::move(document).error();
  auto answer = core::v1::decode_answer(document->root());
  if (!answer) return std::move(answer).error();
  return std::optional(V1Message{std::move(*document), std::move(*answer)});
}

core::Result<std::optional<V1Connection>> connect_to_v1_daemon(const Address& address) {
  // First the connection: a daemon of pfast has had its lock since before anybody could connect.
  auto socket = connect_socket(address, k_connect_timeout);
  if (!socket && is_nobody(socket.error())) return std::optional<V1Connection>();
  if (!socket) return std::move(socket).error();
  auto held = life_lock_is_held(address);
  if (!held) return std::move(held).error();
  if (*held) return std::optional<V1Connection>();
  auto peer = check_peer(socket->get());
  if (!peer) return std::move(peer).error();
  V1Connection connection;
  connection.peer_ = *peer;
  connection.socket_ = core::FrameSocket(std::move(*socket));
  return std::optional(std::move(connection));
}

core::Status end_v1_daemon(const Address& address, milliseconds timeout, const std::function<bool()>& give_up) {
  const auto deadline = Clock::now() + timeout;
  const auto late = [&] { return give_up() || Clock::now() >= deadline; };
  pid_t pid = 0;
  do {
    auto socket = connect_socket(address, k_connect_timeout);
    if (!socket && is_nobody(socket.error())) return core::ok_status();
    if (!socket) return std::move(socket).error();
    auto peer = check_peer(socket->get());
    if (!peer) return std::move(peer).error();
    pid = peer->pid;
    (void)send_frame(socket->get(), core::v1::encode(core::v1::ShutdownCommand{}), {}, k_send_timeout);
    // Its word, or its end: closed either way.
    core::FrameSocket said(std::move(*socket));
    while (!late()) {
      auto frame = said.receive(k_look);
      if (!frame || frame->has_value()) break;
    }
    ::poll(nullptr, 0, static_cast<int>(k_look.count()));
  } while (!late());
  return text::error(ErrorCode::timed_out, "end the daemon at '" + address.socket_path() + "': process " + std::to_string(pid) +
                                               " is still there (its run ends first; `kill " + std::to_string(pid) + "` ends both)");
}

}  // namespace pf::ctl
