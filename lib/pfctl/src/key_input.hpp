// Keys of the terminal, one at a time and without an echo, while an object of this class lives. Private to pfctl.
#pragma once

#include <termios.h>

#include <functional>

#include <pfcore/unique_fd.hpp>

#include <pfctl/loop.hpp>

namespace pf::ctl {

class KeyInput {
 public:
  KeyInput(Loop& loop, std::function<void(char)> on_key);
  KeyInput(const KeyInput&) = delete;
  KeyInput& operator=(const KeyInput&) = delete;
  ~KeyInput();

  // Reads keys again: after the job was stopped and continued, when its shell has put the terminal as it wants it.
  void take_terminal();

 private:
  void read_keys();

  std::function<void(char)> on_key_;
  struct termios before_ {};
  bool is_terminal_ = false;
  core::UniqueFd terminal_;
  FdWatch input_;
  SignalWatch continued_;
};

}  // namespace pf::ctl
