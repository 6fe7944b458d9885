// How a daemon gives its address to another one: the lock is shared, the successor's socket takes the name by rename, and who is
// in this daemon's queue or has a run is served to the end.
#include <utility>

#include <pfctl/server.hpp>

namespace pf::ctl {
namespace {

// A client may have looked at the socket before the rename and connect after it.
constexpr Milliseconds k_linger{300};
// As long as a command may take: who has connected and asked for nothing until then asks the successor.
constexpr Milliseconds k_last_command{5000};
constexpr Milliseconds k_look{100};

}  // namespace

void Server::on_hand_over(Connection& connection, const core::HandOverRequest& request) {
  if (shutting_down_ || retired_) {
    connection.refuse("shutting-down", "hand the address over: the daemon is about to leave", "");
    return;
  }
  if (request.done) {
    if (connection.id() != successor_) {
      connection.refuse("bad-request", "hand the address over: nothing was shared on this connection", "");
      return;
    }
    log_.line("another process serves the address from now on");
    retire();
    return;
  }
  if (successor_ != 0) {
    connection.refuse("busy", "hand the address over: another daemon is taking it", "");
    return;
  }
  auto lock = hooks_.share_lock();
  if (!lock) {
    connection.refuse("refused", lock.error().message, "");
    return;
  }
  successor_ = connection.id();
  std::vector<core::UniqueFd> fds;
  fds.push_back(std::move(*lock));
  connection.send_event(core::encode(core::HandedOver{}), std::move(fds));
}

void Server::retire() {
  successor_ = 0;
  retired_ = true;
  idle_timer_.stop();
  hooks_.disown();
  watchers_->send_away();
  note_activity();
  retire_timer_.start(k_linger, k_look);
}

void Server::leave_when_retired() {
  accept_clients();
  if (shutting_down_ || busy()) return;
  if (connections_.empty() || loop_.now() - last_activity_ >= k_last_command) {
    retire_timer_.stop();
    shut_down(true);
  }
}

}  // namespace pf::ctl
