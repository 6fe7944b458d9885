// When a run's results are to be read together. Each reading takes a processor from a worker, which a suite of many short tests
// notices; a result that comes alone, and the first ones of a run, are read at once. Pure bookkeeping, no clock of its own.
#pragma once

#include <cstddef>

#include <pfctl/loop.hpp>

namespace pf::ctl {

class ReadPace {
 public:
  // What is read together may have waited so long.
  static constexpr Milliseconds k_window{2};

  void on_result(TimePoint now) noexcept {
    if (now - window_begun_ >= k_window) begin_window(now);
    ++results_;
    ++in_window_;
  }
  // The next ones may wait until the window is over.
  [[nodiscard]] bool is_stream() const noexcept { return results_ > k_read_at_once && in_window_ >= k_stream; }
  void begin_window(TimePoint now) noexcept {
    window_begun_ = now;
    in_window_ = 0;
  }

 private:
  static constexpr std::size_t k_read_at_once = 64;   // a short run is over before it gains anything
  static constexpr std::size_t k_stream = 4;          // results in a window

  TimePoint window_begun_{};
  std::size_t in_window_ = 0;
  std::size_t results_ = 0;
};

}  // namespace pf::ctl
