#include <pfctl/client.hpp>

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <pfcore/pickle_reader.hpp>
#include <pfctl/connect.hpp>
#include <pfctl/lock.hpp>

#include "text.hpp"
#include "timed_send.hpp"

namespace pf::ctl {
namespace {

using Clock = std::chrono::steady_clock;
using core::ErrorCode;

constexpr std::size_t k_greeting_bytes = 64 * 1024;
constexpr std::chrono::milliseconds k_connect_timeout{5000};
constexpr std::chrono::milliseconds k_look_again{15};
constexpr std::chrono::milliseconds k_last_moment{2000};

bool is_other_version(const core::Welcome& welcome) {
  return welcome.protocol != core::k_protocol_version || welcome.version != PF_VERSION;
}

// One client's way to its daemon: see LIFECYCLE.md, "Start protocol".
class Starter {
 public:
  Starter(const Address& address, const ConnectOptions& options) : address_(address), options_(options) {}

  core::Result<ClientConnection> run() {
    auto connection = try_connect();
    if (connection || !options_.may_start || !may_help(connection.error())) return connection;
    auto lock = FileLock::lock(address_.dir.get(), address_.spawn_lock, address_.path_of(address_.spawn_lock), options_.lock_timeout);
    if (!lock) return std::move(lock).error();
    return run_locked();
  }
  [[nodiscard]] bool started() const noexcept { return started_; }

 private:
  core::Result<ClientConnection> try_connect() {
    auto socket = connect_socket(address_, k_connect_timeout);
    if (!socket) return std::move(socket).error();
    auto connection = ClientConnection::greet(std::move(*socket), options_.greet_timeout);
    if (!connection) return std::move(connection).error().with_context("talk to the daemon at '" + address_.socket_path() + "'");
    // The one that was just started is as new as can be, though this client may be older than its own executable.
    const bool may_replace = options_.may_start && options_.replace_other_version && !started_;
    if (!may_replace || !is_other_version(connection->welcome())) return connection;
    return ask_to_leave(std::move(*connection));
  }

  // A daemon of another version finishes its runs and leaves; then there is none.
  core::Result<ClientConnection> ask_to_leave(ClientConnection connection) {
    core::Error gone = text::error(ErrorCode::closed, "wait for the daemon of version " + connection.welcome().version +
                                                          " at '" + address_.socket_path() + "' to leave: run `pfast stop`");
    if (!connection.send(core::ShutdownRequest{})) return gone;
    const auto deadline = Clock::now() + options_.start.timeout;
    while (Clock::now() < deadline) {
      const auto event = connection.next_event(std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()));
      if (!event) return gone;
    }
    gone.code = ErrorCode::timed_out;
    return gone;
  }

  // Nobody there, or somebody who is just leaving.
  static bool may_help(const core::Error& error) {
    return error.code == ErrorCode::not_found || error.code == ErrorCode::closed;
  }

  // While the life lock is held there is a daemon: leaving, or about to bind again. Once it is free, there is none.
  core::Result<ClientConnection> run_locked() {
    const auto begun = Clock::now();
    for (;;) {
      auto connection = try_connect();
      if (connection || !may_help(connection.error())) return connection;
      auto life = FileLock::try_lock(address_.dir.get(), address_.life_lock, address_.path_of(address_.life_lock));
      if (!life) return std::move(life).error();
      const bool nobody = life->has_value();
      if (nobody) {
        (*life)->unlock();
        if (connection.error().code == ErrorCode::not_found) return start_and_connect();
      }
      // Closed, with nobody's lock: a daemon's last moment, or a server that is none of ours.
      if (nobody && Clock::now() >= begun + k_last_moment) return connection;
      if (!nobody && Clock::now() >= begun + options_.start.timeout) return unreachable(connection.error());
      ::poll(nullptr, 0, static_cast<int>(k_look_again.count()));
    }
  }

  core::Result<ClientConnection> start_and_connect() {
    auto started = start();
    started_ = started.ok();
    auto connection = try_connect();
    // Started by hand at the same moment: whose daemon it is does not matter.
    return connection || started ? std::move(connection) : core::Result<ClientConnection>(std::move(started).error());
  }

  core::Status start() {
    if (options_.on_start) options_.on_start();
    auto started = start_daemon(address_, options_.start);
    if (!started) return std::move(started).error();
    return core::ok_status();
  }

  core::Error unreachable(const core::Error& last) const {
    const int pid = read_pid(address_);
    const std::string who = pid > 0 ? "process " + std::to_string(pid) : std::string("a process");
    const std::string mend = pid > 0 ? "`kill " + std::to_string(pid) + "` ends it" : "`pfast stop` ends it";
    return text::error(ErrorCode::timed_out, "reach the daemon at '" + address_.socket_path() + "': " + who + " holds '" +
                                                 address_.path_of(address_.life_lock) + "' and does not serve (" + last.message +
                                                 "); " + mend);
  }

  const Address& address_;
  const ConnectOptions& options_;
  bool started_ = false;
};

core::Error does_not_answer(const Peer& peer, std::chrono::milliseconds timeout) {
  const std::string pid = std::to_string(peer.pid);
  return text::error(ErrorCode::timed_out, "hear from process " + pid + " within " + std::to_string(timeout.count()) +
                                               " ms; `kill " + pid + "` ends it (`kill -CONT " + pid + "` if it was stopped)");
}

}  // namespace

core::Result<ClientConnection> ClientConnection::greet(core::UniqueFd socket, std::chrono::milliseconds timeout) {
  auto peer = check_peer(socket.get());
  if (!peer) return std::move(peer).error();
  ClientConnection connection;
  connection.send_timeout_ = timeout;
  connection.peer_ = *peer;
  // The daemon says nothing but its welcome before it is asked: the greeting's small bound loses no bytes.
  connection.socket_ = core::FrameSocket(std::move(socket), k_greeting_bytes);
  core::Hello hello;
  hello.version = PF_VERSION;
  hello.pid = ::getpid();
  // Whoever has closed already may have said why.
  if (auto sent = connection.send(hello); !sent && sent.error().code != ErrorCode::closed) return std::move(sent).error();
  auto frame = connection.socket_.receive(timeout);
  if (!frame) return std::move(frame).error();
  if (!frame->has_value()) return does_not_answer(*peer, timeout);
  const auto document = core::decode_pickle((*frame)->payload, core::Limits::greeting());
  if (!document) return document.error();
  if (core::message_type(document->root()) != core::Welcome::k_type) {
    return text::error(ErrorCode::refused, "be welcomed by process " + std::to_string(peer->pid) + ": it speaks another protocol");
  }
  auto welcome = core::decode_as<core::Welcome>(document->root());
  if (!welcome) return std::move(welcome).error();
  connection.welcome_ = std::move(*welcome);
  connection.socket_ = core::FrameSocket(connection.socket_.release());
  return connection;
}

core::Status ClientConnection::send_payload(std::string_view payload, std::span<const int> fds) {
  if (!socket_.valid()) return text::error(ErrorCode::closed, "send to the daemon: the connection is closed");
  auto sent = send_frame(socket_.fd(), payload, fds, send_timeout_);
  if (sent || sent.error().code != ErrorCode::timed_out) return sent;
  return std::move(sent).error().with_context("talk to process " + std::to_string(peer_.pid));
}

core::Status ClientConnection::send_run(const core::RunRequest& request, const std::array<int, 3>& stdio) {
  return send_payload(core::encode(request), stdio);
}

core::Result<std::optional<core::Document>> ClientConnection::next_event(std::optional<std::chrono::milliseconds> timeout) {
  auto frame = socket_.receive(timeout);
  if (!frame) return std::move(frame).error();
  if (!frame->has_value()) return std::optional<core::Document>();
  auto document = core::decode_pickle((*frame)->payload, core::Limits::result());
  if (!document) return std::move(document).error();
  return std::optional(std::move(*document));
}

core::Result<ClientConnection> connect_to_daemon(const Address& address, const ConnectOptions& options) {
  Starter starter(address, options);
  auto connection = starter.run();
  if (connection) connection->started_ = starter.started();
  return connection;
}

}  // namespace pf::ctl
