// The daemon's log: lines on stderr, which is the log file of a daemon in the background.
//
// Never blocks: when the other end takes nothing (a full pipe, a terminal that was stopped), the text is dropped, and so
// is everything past a bound per daemon. A write error (a full disk) changes nothing for any run.
#pragma once

#include <cstddef>
#include <string_view>

namespace pf::ctl {

class DaemonLog {
 public:
  explicit DaemonLog(int fd = 2, std::size_t max_bytes = 64u << 20) noexcept : fd_(fd), left_bytes_(max_bytes) {}
  // "<time> <text>\n"
  void line(std::string_view text);
  // Bytes as they are: what a forkserver printed.
  void raw(std::string_view bytes);

 private:
  int fd_;
  std::size_t left_bytes_;
};

}  // namespace pf::ctl
