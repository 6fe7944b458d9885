// When a watcher asks for a refresh: a pure state machine over what it is told and a clock that it is given.
//
//   quiet -> settling -> refreshing -> quiet        (news while it settles: the time begins again; an edit taken back: quiet)
//                             \-> settling          (news while it refreshes)
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <pfctl/loop.hpp>

namespace pf::ctl {

class WatchPlan {
 public:
  // `debounce`: from the last event to the question.
  explicit WatchPlan(Milliseconds debounce) noexcept : debounce_(debounce) {}

  // `touched`: files, just now. `outdated`: there is something to boot.
  void on_news(TimePoint now, bool touched, bool outdated) noexcept;
  // The answer has come, whatever it is.
  void on_answer() noexcept;
  // The daemon is gone, or another one: nothing is known.
  void forget() noexcept { *this = WatchPlan(debounce_); }

  // When ask() is to be called; nullopt: after the next news or answer.
  [[nodiscard]] std::optional<TimePoint> due() const noexcept { return refreshing_ ? std::nullopt : settles_at_; }
  // True: ask now, and on_answer() follows.
  [[nodiscard]] bool ask(TimePoint now) noexcept;
  [[nodiscard]] bool refreshing() const noexcept { return refreshing_; }

 private:
  Milliseconds debounce_;
  std::optional<TimePoint> settles_at_;
  bool outdated_ = false;                  // as far as was told since the last answer
  bool refreshing_ = false;
  int in_vain_ = 0;                        // boots in a row that were outdated on arrival, and nobody had touched a file since
};

}  // namespace pf::ctl
