// Signals as something to poll, while an object of this class lives.
#pragma once

#include <csignal>

#include <array>

#include <pfcore/unique_fd.hpp>

namespace pf::ctl {

// SIGINT, SIGTERM, SIGHUP, SIGWINCH and SIGTSTP of the whole process, whichever thread they come to: no mask could promise that
// in a process whose other threads are somebody else's. What the parent chose to ignore stays ignored, as under nohup.
// The former handlers are put back at the end. One object at a time.
class SignalChannel {
 public:
  SignalChannel();
  ~SignalChannel();
  SignalChannel(const SignalChannel&) = delete;
  SignalChannel& operator=(const SignalChannel&) = delete;
  // Poll for reading.
  [[nodiscard]] int fd() const noexcept { return read_end_.get(); }
  // The next signal that has come, 0 when there is none.
  [[nodiscard]] int take();

 private:
  static constexpr std::array<int, 5> k_signals{SIGTERM, SIGWINCH, SIGHUP, SIGINT, SIGTSTP};
  core::UniqueFd read_end_;
  core::UniqueFd write_end_;
  std::array<struct sigaction, k_signals.size()> before_{};
  std::array<bool, k_signals.size()> taken_{};
};

}  // namespace pf::ctl
