// Signals as something to poll, while an object of this class lives.
#pragma once

#include <csignal>

#include <pfcore/unique_fd.hpp>

namespace pf::cli {

// SIGINT, SIGTERM, SIGHUP, SIGWINCH and SIGTSTP; the process' signal mask is put back at the end.
class SignalChannel {
 public:
  SignalChannel();
  ~SignalChannel();
  SignalChannel(const SignalChannel&) = delete;
  SignalChannel& operator=(const SignalChannel&) = delete;
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  // The next pending signal, 0 when there is none.
  [[nodiscard]] int take();

 private:
  core::UniqueFd fd_;
  sigset_t before_{};
};

}  // namespace pf::cli
