// The event loop as the rest of pfctl sees it: libuv behind a few owners. This header does not include <uv.h>.
//
// One verb set for every handle: construct, start, stop; the destructor stops and closes. Callbacks run on the loop's
// thread, one at a time, and may destroy any handle, their own included. Not thread-safe, except where a comment says
// so. Fork: the daemon execs, it never forks, so no handle is ever seen by a second process.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>

#include <pfcore/result.hpp>

namespace pf::ctl {

using TimePoint = std::chrono::steady_clock::time_point;
using Milliseconds = std::chrono::milliseconds;
// Rounded up; at most 30 years, which every clock can count.
[[nodiscard]] inline Milliseconds milliseconds_of(double seconds) noexcept {
  return std::chrono::ceil<Milliseconds>(std::chrono::duration<double>(std::clamp(seconds, 0.0, 1e9)));
}

class Loop {
 public:
  [[nodiscard]] static core::Result<std::unique_ptr<Loop>> create();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  // Runs what was deferred, then closes. Every handle must be gone before: a handle that is left is a bug (assert).
  ~Loop();

  // Handles events until stop(). With no active handle it returns at once.
  void run();
  void stop() noexcept;
  [[nodiscard]] TimePoint now() const noexcept { return std::chrono::steady_clock::now(); }
  // Runs `task` in this turn of the loop after the events at hand, and before the loop sleeps again. Owners destroy
  // objects here whose callbacks may be on the stack; channels write here, once per turn.
  void defer(std::function<void()> task);
  // Runs what was deferred now: for an owner that is about to go away with what the tasks refer to.
  void run_deferred();
  // Runs `work` on another thread and then `done` on the loop. `work` must not touch the loop or its handles.
  void queue_work(std::function<void()> work, std::function<void()> done);

  struct Impl;
  [[nodiscard]] Impl& impl() noexcept { return *impl_; }

 private:
  explicit Loop(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

class Timer {
 public:
  Timer(Loop& loop, std::function<void()> on_fire);
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer();
  // Fires once after `delay`, then every `repeat` when that is not zero. Starting again replaces what was asked for.
  void start(Milliseconds delay, Milliseconds repeat = Milliseconds(0));
  void stop() noexcept;
  [[nodiscard]] bool active() const noexcept;

  struct Handle;

 private:
  Handle* handle_;
};

// Readiness of one socket or pipe. The descriptor stays the caller's and must outlive the watch.
class FdWatch {
 public:
  struct Ready { bool readable = false; bool writable = false; bool failed = false; };

  explicit FdWatch(Loop& loop) noexcept : loop_(loop) {}
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;
  ~FdWatch() { stop(); }
  // Makes the descriptor non-blocking and watches nothing yet. Errors: system.
  [[nodiscard]] core::Status open(int fd, std::function<void(Ready)> on_ready);
  void want(bool readable, bool writable) noexcept;
  void stop() noexcept;
  [[nodiscard]] bool is_open() const noexcept { return handle_ != nullptr; }

  struct Handle;

 private:
  Loop& loop_;
  Handle* handle_ = nullptr;
};

class SignalWatch {
 public:
  SignalWatch(Loop& loop, int signal_number, std::function<void()> on_signal);
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  ~SignalWatch();

  struct Handle;

 private:
  Handle* handle_;
};

}  // namespace pf::ctl
