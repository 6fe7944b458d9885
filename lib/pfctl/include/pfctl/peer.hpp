// Who is at the other end of an AF_UNIX socket. Checked on both ends, before the first byte is believed.
#pragma once

#include <sys/types.h>

#include <pfcore/result.hpp>

namespace pf::ctl {

struct Peer {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

// SO_PEERCRED: the process that connected, or the one that called listen. Errors: system.
[[nodiscard]] core::Result<Peer> peer_of(int fd);

// As peer_of, but only for a peer of the same effective user. Errors: refused as well.
[[nodiscard]] core::Result<Peer> check_peer(int fd);

}  // namespace pf::ctl
