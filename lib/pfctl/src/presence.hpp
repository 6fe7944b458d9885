// Everything that names a daemon in the file system: its socket, pid file and note, and the lock that gives the right to them.
// Only touched with the life lock held. Private to pfctl.
#pragma once

#include <optional>
#include <string>

#include <pfctl/address_claim.hpp>
#include <pfctl/daemon_log.hpp>
#include <pfctl/listener.hpp>

namespace pf::ctl {

class Presence {
 public:
  Presence(Address address, AddressClaim claim) : address_(std::move(address)), claim_(std::move(claim)) {}
  Presence(const Presence&) = delete;
  Presence& operator=(const Presence&) = delete;
  // Takes the names away, unless they are a successor's.
  ~Presence();

  // Binds the socket, or binds it again.
  [[nodiscard]] core::Status announce();
  // Pid file and note. A full disk hinders `pfast list`, nothing else.
  void describe(DaemonLog& log, const std::string& root, const std::string& python);
  // Takes another address: the socket as it is, with who is in its queue. The old names go, and the old lock last.
  // Errors: Listener::move_to's; nothing has changed then.
  [[nodiscard]] core::Status move_to(Address address, AddressClaim claim);
  // Whoever served here before leaves when he is through.
  void confirm() { claim_.confirm(); }
  bool withdraw();
  // The lock, for a successor. Errors: system.
  [[nodiscard]] core::Result<core::UniqueFd> share_lock() const { return claim_.lock.share(); }
  // The names are the successor's now; the socket goes on serving those who are in its queue.
  void disown();

  [[nodiscard]] const Address& address() const { return address_; }
  [[nodiscard]] int listener_fd() const { return listener_ ? listener_->fd() : -1; }
  [[nodiscard]] bool reachable() const { return listener_ && listener_->still_in_place(); }
  [[nodiscard]] bool owned() const { return claim_.lock.still_in_place(address_.dir.get()); }
  [[nodiscard]] bool findable() const { return still_leads_here(address_); }

 private:
  void remove_notes();

  Address address_;
  AddressClaim claim_;
  std::optional<Listener> listener_;
  bool disowned_ = false;
};

}  // namespace pf::ctl
