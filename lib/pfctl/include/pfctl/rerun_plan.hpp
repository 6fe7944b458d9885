// Which run `pfast-watch --rerun` makes next: a pure state machine over saves, keys and ends of runs, and a clock that it is given.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include <pfctl/loop.hpp>

namespace pf::ctl {

class RerunPlan {
 public:
  enum class Stage : std::uint8_t {
    all,                 // what the user's arguments select
    failed,              // of that, what failed last
    edited,              // the tests of edited files, and what failed last
    rest,                // of all, what the stage before has not run
  };
  // `debounce`: from the last save to the run.
  explicit RerunPlan(Milliseconds debounce) noexcept : debounce_(debounce) {}

  // Inputs have changed: absolute paths. The run that is on has been overtaken.
  void on_save(TimePoint now, const std::vector<std::string>& paths);
  void ask_all() { ask(Stage::all); }
  void ask_failed() { ask(Stage::failed); }
  // When next() may have something that it has not now.
  [[nodiscard]] std::optional<TimePoint> due() const noexcept { return running_ ? std::nullopt : settles_at_; }
  // What to run now; nothing while a run is on. on_end() follows.
  [[nodiscard]] std::optional<Stage> next(TimePoint now);
  // The run that is on is to be cancelled.
  [[nodiscard]] bool overtaken() const noexcept { return running_ && overtaken_; }
  // `go_on`: what is left is to be run, too.
  void on_end(bool go_on);
  // Saved since their tests were run.
  [[nodiscard]] const std::set<std::string>& edited() const noexcept { return edited_; }
  [[nodiscard]] bool running() const noexcept { return running_.has_value(); }

 private:
  void ask(Stage stage);

  Milliseconds debounce_;
  std::optional<TimePoint> settles_at_;
  std::optional<Stage> asked_;
  std::optional<Stage> running_;
  bool rest_is_left_ = false;
  bool overtaken_ = false;
  std::set<std::string> edited_;
};

}  // namespace pf::ctl
