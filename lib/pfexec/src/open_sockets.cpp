#include "open_sockets.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstddef>
#include <cstdlib>
#include <memory>

namespace pf::exec {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};

std::string internet_text(int family, const void* address, in_port_t port) {
  if (port == 0) return {};
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (::inet_ntop(family, address, text.data(), text.size()) == nullptr) return {};
  const std::string host(text.data());
  return (family == AF_INET6 ? '[' + host + ']' : host) + ':' + std::to_string(ntohs(port));
}

// "@name" is one of the abstract names, which are no files.
std::string unix_text(const struct sockaddr_un& address, socklen_t length) {
  constexpr std::size_t k_head = offsetof(struct sockaddr_un, sun_path);
  if (length <= k_head) return {};
  std::string path(address.sun_path, std::min<std::size_t>(length, sizeof address) - k_head);
  if (path.front() == '\0') path.front() = '@';
  else path.resize(std::min(path.find('\0'), path.size()));
  return path;
}

std::string text_of(const struct sockaddr_storage& storage, socklen_t length) {
  switch (storage.ss_family) {
    case AF_INET: {
      const auto& address = reinterpret_cast<const struct sockaddr_in&>(storage);
      return internet_text(AF_INET, &address.sin_addr, address.sin_port);
    }
    case AF_INET6: {
      const auto& address = reinterpret_cast<const struct sockaddr_in6&>(storage);
      return internet_text(AF_INET6, &address.sin6_addr, address.sin6_port);
    }
    case AF_UNIX: return unix_text(reinterpret_cast<const struct sockaddr_un&>(storage), length);
    default: return {};
  }
}

int option(int fd, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
}

std::string kind_of(int family, int type) {
  if (family == AF_UNIX) return "unix";
  if (family != AF_INET && family != AF_INET6) return "family " + std::to_string(family);
  const std::string protocol = type == SOCK_STREAM ? "tcp" : type == SOCK_DGRAM ? "udp" : "raw";
  return family == AF_INET6 ? protocol + '6' : protocol;
}

}  // namespace

std::vector<int> open_descriptors() {
  std::vector<int> out;
  const std::unique_ptr<DIR, CloseDir> dir(::opendir("/proc/self/fd"));
  if (!dir) return out;
  while (const struct dirent* entry = ::readdir(dir.get())) {
    const int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd != ::dirfd(dir.get())) out.push_back(fd);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string descriptor_target(int fd) {
  std::array<char, PATH_MAX> target;
  const ssize_t length = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target.data(), target.size());
  return length > 0 ? std::string(target.data(), static_cast<std::size_t>(length)) : std::string();
}

std::optional<core::ImageSocket> describe_socket(int fd) {
  const int family = option(fd, SO_DOMAIN);
  if (family < 0) return std::nullopt;
  core::ImageSocket socket;
  socket.fd = fd;
  socket.kind = kind_of(family, option(fd, SO_TYPE));
  socket.listening = option(fd, SO_ACCEPTCONN) == 1;
  struct sockaddr_storage address {};
  socklen_t length = sizeof address;
  if (::getsockname(fd, reinterpret_cast<struct sockaddr*>(&address), &length) == 0) socket.local = text_of(address, length);
  length = sizeof address;
  if (::getpeername(fd, reinterpret_cast<struct sockaddr*>(&address), &length) == 0) {
    socket.peer = text_of(address, length);
    if (socket.peer.empty()) socket.peer = "unnamed";
  }
  return socket;
}

}  // namespace pf::exec
