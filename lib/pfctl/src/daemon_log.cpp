#include <pfctl/daemon_log.hpp>

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <ctime>
#include <string>

namespace pf::ctl {

void DaemonLog::line(std::string_view text) {
  char stamp[32];
  const std::time_t now = std::time(nullptr);
  struct tm parts{};
  ::localtime_r(&now, &parts);
  const std::size_t length = std::strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S ", &parts);
  std::string out(stamp, length);
  out += text;
  out += '\n';
  raw(out);
}

void DaemonLog::raw(std::string_view bytes) {
  while (!bytes.empty() && left_bytes_ > 0) {
    // A descriptor that polls writable takes PIPE_BUF bytes without blocking, whatever it is.
    struct pollfd ready{fd_, POLLOUT, 0};
    if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return;
    const std::size_t wanted = std::min({bytes.size(), left_bytes_, std::size_t{PIPE_BUF}});
    const ssize_t written = ::write(fd_, bytes.data(), wanted);
    if (written <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(written));
    left_bytes_ -= static_cast<std::size_t>(written);
  }
}

}  // namespace pf::ctl
