// The client's end of an address: a connected socket, nothing said yet.
#pragma once

#include <chrono>

#include <pfcore/result.hpp>
#include <pfcore/unique_fd.hpp>
#include <pfctl/runtime_dir.hpp>

namespace pf::ctl {

// Connects, blocking, to the socket file that lies at the address: ours, and no symbolic link. Who listens is not
// checked: see check_peer.
// Errors: not_found (nothing listens), timed_out (the queue is full), refused (no socket of ours), system.
[[nodiscard]] core::Result<core::UniqueFd> connect_socket(const Address& address, std::chrono::milliseconds timeout);

}  // namespace pf::ctl
