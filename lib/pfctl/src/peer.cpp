#include <pfctl/peer.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "text.hpp"

namespace pf::ctl {

core::Result<Peer> peer_of(int fd) {
  struct ucred credentials {};
  socklen_t length = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    return core::Error::from_errno("ask who is at the other end of the socket", errno);
  }
  return Peer{credentials.pid, credentials.uid, credentials.gid};
}

core::Result<Peer> check_peer(int fd) {
  auto peer = peer_of(fd);
  if (!peer || peer->uid == ::geteuid()) return peer;
  return text::error(core::ErrorCode::refused, "trust the other end of the socket: process " + std::to_string(peer->pid) +
                                                   " belongs to uid " + std::to_string(peer->uid) + ", not to uid " +
                                                   std::to_string(::geteuid()));
}

}  // namespace pf::ctl
