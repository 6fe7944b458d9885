#include <pfctl/signal_channel.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace pf::ctl {
namespace {

std::atomic<int> g_write_end{-1};

extern "C" void write_signal(int number) {
  const int before = errno;
  const auto byte = static_cast<unsigned char>(number);
  // A full pipe holds 64 K signals that nobody has taken: one more says nothing new.
  [[maybe_unused]] const ssize_t written = ::write(g_write_end.load(std::memory_order_relaxed), &byte, 1);
  errno = before;
}

}  // namespace

SignalChannel::SignalChannel() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return;   // poll() passes over -1: the signals keep their handlers
  read_end_.reset(ends[0]);
  write_end_.reset(ends[1]);
  g_write_end.store(write_end_.get());
  for (std::size_t i = 0; i < k_signals.size(); ++i) {
    struct sigaction action {};
    if (::sigaction(k_signals[i], nullptr, &before_[i]) != 0) continue;
    if (before_[i].sa_handler == SIG_IGN && k_signals[i] != SIGTERM && k_signals[i] != SIGWINCH) continue;
    action.sa_handler = write_signal;
    action.sa_flags = SA_RESTART;
    ::sigfillset(&action.sa_mask);
    taken_[i] = ::sigaction(k_signals[i], &action, nullptr) == 0;
  }
}

SignalChannel::~SignalChannel() {
  for (std::size_t i = 0; i < k_signals.size(); ++i) {
    if (taken_[i]) ::sigaction(k_signals[i], &before_[i], nullptr);
  }
  // A handler that runs on another thread right now writes to a closed descriptor at worst, and is not told.
  g_write_end.store(-1);
}

int SignalChannel::take() {
  unsigned char byte = 0;
  return ::read(read_end_.get(), &byte, 1) == 1 ? byte : 0;
}

}  // namespace pf::ctl
