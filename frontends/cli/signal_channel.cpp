#include "signal_channel.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

namespace pf::cli {

SignalChannel::SignalChannel() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGTERM, SIGWINCH}) ::sigaddset(&set, number);
  for (const int number : {SIGHUP, SIGINT, SIGTSTP}) {
    // nohup, or a script's job in the background: what the parent chose to ignore stays ignored.
    struct sigaction action {};
    if (::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;
    ::sigaddset(&set, number);
  }
  ::sigprocmask(SIG_BLOCK, &set, &before_);
  fd_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

SignalChannel::~SignalChannel() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

int SignalChannel::take() {
  struct signalfd_siginfo info {};
  return ::read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info) ? static_cast<int>(info.ssi_signo) : 0;
}

}  // namespace pf::cli
