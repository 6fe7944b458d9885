#include <pfctl/rerun_plan.hpp>

#include <utility>

namespace pf::ctl {

void RerunPlan::on_save(TimePoint now, const std::vector<std::string>& paths) {
  edited_.insert(paths.begin(), paths.end());
  settles_at_ = now + debounce_;
  rest_is_left_ = false;
  overtaken_ = running_.has_value();
}

// A key is pressed by somebody who has waited long enough.
void RerunPlan::ask(Stage stage) {
  asked_ = stage;
  settles_at_.reset();
  rest_is_left_ = false;
  overtaken_ = running_.has_value();
}

std::optional<RerunPlan::Stage> RerunPlan::next(TimePoint now) {
  if (running_) return std::nullopt;
  if (asked_) running_ = std::exchange(asked_, std::nullopt);
  else if (settles_at_ && now >= *settles_at_) running_ = Stage::edited;
  else if (!settles_at_ && rest_is_left_) running_ = Stage::rest;
  if (!running_) return std::nullopt;
  if (*running_ != Stage::rest) settles_at_.reset();
  rest_is_left_ = false;
  overtaken_ = false;
  return running_;
}

void RerunPlan::on_end(bool go_on) {
  const auto ended = std::exchange(running_, std::nullopt);
  // What was cancelled has not been run: its files come first again.
  if (!ended || std::exchange(overtaken_, false)) return;
  if (*ended != Stage::failed) edited_.clear();
  rest_is_left_ = *ended == Stage::edited && go_on;
}

}  // namespace pf::ctl
