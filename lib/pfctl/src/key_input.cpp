#include "key_input.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

namespace pf::ctl {

KeyInput::KeyInput(Loop& loop, std::function<void(char)> on_key)
    : on_key_(std::move(on_key)), input_(loop), continued_(loop, SIGCONT, [this] { take_terminal(); }) {
  is_terminal_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
  if (!is_terminal_) return;
  take_terminal();
  // Opened again: a descriptor that is read here must not block, and stdout, which is often the same open file, has to.
  terminal_.reset(::open("/proc/self/fd/0", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  if (terminal_.valid() && input_.open(terminal_.get(), [this](FdWatch::Ready) { read_keys(); })) input_.want(true, false);
}

KeyInput::~KeyInput() {
  if (!is_terminal_) return;
  (void)::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
}

void KeyInput::take_terminal() {
  if (!is_terminal_ || ::tcgetpgrp(STDIN_FILENO) != ::getpgrp()) return;
  struct termios raw = before_;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  (void)::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

void KeyInput::read_keys() {
  std::array<char, 64> keys;
  const ssize_t got = ::read(terminal_.get(), keys.data(), keys.size());
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
    input_.stop();                                   // the terminal is gone
    ::raise(SIGHUP);
    return;
  }
  for (ssize_t i = 0; i < got; ++i) on_key_(keys[static_cast<std::size_t>(i)]);
}

}  // namespace pf::ctl
