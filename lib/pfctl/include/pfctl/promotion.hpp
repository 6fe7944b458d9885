// `promote`, a verb of version 1: a daemon moves to another name in the folder that it is in, as a successor that was started
// beside the daemon in use does when it is warm. LIFECYCLE.md, section 3.
#pragma once

#include <functional>
#include <string>

#include <pfcore/result.hpp>
#include <pfctl/address_claim.hpp>
#include <pfctl/lock.hpp>
#include <pfctl/runtime_dir.hpp>

namespace pf::ctl {

// The right to an address: whoever served there has handed it over, has left, or was not there.
struct Promotion {
  Address address;
  AddressClaim claim;
  FileLock spawn_lock;           // nobody starts a daemon there meanwhile
};

// What a daemon may not move to, said before anything is touched: no absolute path, another folder than `from`'s, a folder that
// others may write to (without the sticky bit) or that is somebody else's, what is no socket, another user's socket or one
// that everybody may connect to.
// Errors: refused (each of these), invalid_argument (no path of a socket; the daemon's own), not_found (the folder), system.
[[nodiscard]] core::Result<Address> promotion_target(const Address& from, const std::string& path);

// Blocking; any thread. A daemon of pfast that serves there is asked to hand the address over; the predecessor's is asked to
// leave and waited for. Nothing is changed at `from`.
// Errors: promotion_target's, timed_out (it does not leave; or give_up said so), exists.
[[nodiscard]] core::Result<Promotion> prepare_promotion(const Address& from, const std::string& path, const std::function<bool()>& give_up);

}  // namespace pf::ctl
