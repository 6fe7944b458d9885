#include "presence.hpp"

#include <unistd.h>

#include <utility>

namespace pf::ctl {

Presence::~Presence() {
  if (disowned_ || !owned()) return;   // the names may be somebody else's by now
  withdraw();
  if (claim_.predecessor) return;      // it keeps the rest
  remove_notes();
}

// The predecessor's daemon, when it comes after this one, has its pid in a file of the same name.
void Presence::remove_notes() {
  if (read_pid(address_) == ::getpid()) ::unlinkat(address_.dir.get(), address_.pid.c_str(), 0);
  ::unlinkat(address_.dir.get(), address_.note.c_str(), 0);
}

core::Status Presence::move_to(Address address, AddressClaim claim) {
  if (!listener_) return core::Error{core::ErrorCode::refused, "listen at '" + address.socket_path() + "': nothing listens", 0, 0};
  if (auto moved = listener_->move_to(address, claim.lock, claim.predecessor.has_value()); !moved) return moved;
  remove_notes();
  address_ = std::move(address);
  claim_ = std::move(claim);
  return core::ok_status();
}

core::Status Presence::announce() {
  auto listener = bind_listener(address_, claim_.lock, claim_.predecessor.has_value());
  if (!listener) return std::move(listener).error();
  listener_ = std::move(*listener);
  return core::ok_status();
}

void Presence::describe(DaemonLog& log, const std::string& root, const std::string& python) {
  if (auto written = write_pid(address_, ::getpid()); !written) log.line(written.error().message);
  if (auto written = write_note(address_, root, python); !written) log.line(written.error().message);
}

bool Presence::withdraw() {
  if (listener_) listener_->unlink_if_ours();
  return true;
}

void Presence::disown() {
  disowned_ = true;
  claim_.lock.unlock();
}

}  // namespace pf::ctl
