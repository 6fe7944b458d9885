// The terminal, if there is one: whether colours are wanted, and one line that is redrawn in place.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include <pfcore/messages.hpp>

namespace pf::cli {

// Colours as pytest decides: --color, then PY_COLORS, NO_COLOR, FORCE_COLOR, then whether text goes to a terminal and TERM
// is not "dumb". Source: _pytest/_io/terminalwriter.py.
[[nodiscard]] bool wants_color(const core::Environment& env, std::string_view color_option, bool is_terminal);

// Writes everything; false when nobody reads any more. Waits for a descriptor that somebody made non-blocking.
bool write_to(int fd, std::string_view text);

// The longest beginning of UTF-8 text that takes at most so many columns, control characters replaced.
[[nodiscard]] std::string fitting(std::string_view text, int columns);

// The live line at the bottom. Text that is printed through it appears above the line. Not redrawn more often than every
// 100 ms, and not before the first 100 ms have passed: a quick run never shows it.
class LiveLine {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds k_interval{100};

  LiveLine(int fd, bool enabled) : fd_(fd), enabled_(enabled), drawn_at_(Clock::now()) {}
  ~LiveLine() { clear(); }   // and writes what is left
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;

  [[nodiscard]] bool enabled() const noexcept { return enabled_; }
  // Time until show() may draw again; zero or less: now.
  [[nodiscard]] std::chrono::milliseconds due_in() const;
  void show(std::string_view text, int columns);
  // Above the line. Written with what follows, at the latest by flush(): a run has many short texts.
  void print(std::string_view text);
  void flush();
  // Removes the line and flushes: somebody else writes next.
  void clear();
  // Removes the line for good.
  void close();

 private:
  void erase();

  int fd_;
  std::string unwritten_;
  bool enabled_;
  bool shown_ = false;
  Clock::time_point drawn_at_;
};

}  // namespace pf::cli
