// The right to serve an address: its life lock, taken when nobody has it, or handed over by the daemon that serves there.
// Blocking, no event loop; may be used on any thread.
#pragma once

#include <chrono>
#include <optional>

#include <pfcore/result.hpp>
#include <pfctl/client.hpp>
#include <pfctl/lock.hpp>
#include <pfctl/runtime_dir.hpp>

namespace pf::ctl {

struct AddressClaim {
  FileLock lock;
  // The daemon that has shared its lock. It goes on serving, and keeps the address, until confirm(); when this object is
  // destroyed before, it keeps it for good.
  std::optional<ClientConnection> predecessor;

  // Our socket is in place: the predecessor serves whom it has and leaves.
  void confirm();
};

// Errors: exists (somebody holds the lock; the message names the pid), refused, system.
[[nodiscard]] core::Result<AddressClaim> claim_address(const Address& address);

// As claim_address, but asks the holder for the address. One of a version that cannot hand over is asked to leave, and waited
// for. Errors: timed_out (it does not answer, or does not leave), refused, system.
[[nodiscard]] core::Result<AddressClaim> take_over_address(const Address& address, std::chrono::milliseconds timeout);

}  // namespace pf::ctl
