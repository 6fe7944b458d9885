#include <pfctl/watch_plan.hpp>

#include <algorithm>
#include <utility>

namespace pf::ctl {
namespace {

constexpr int k_most_doublings = 8;

}  // namespace

void WatchPlan::on_news(TimePoint now, bool touched, bool outdated) noexcept {
  const bool newly = outdated && !std::exchange(outdated_, outdated);
  if (touched && !refreshing_) in_vain_ = 0;
  if (!outdated) {
    settles_at_.reset();
  } else if (touched) {
    settles_at_ = now + debounce_;
  } else if (newly) {
    // Files that change whenever the suite is collected must not keep a processor busy for good.
    settles_at_ = now + debounce_ * (1 << std::min(in_vain_, k_most_doublings));
    ++in_vain_;
  }
}

void WatchPlan::on_answer() noexcept {
  refreshing_ = false;
  outdated_ = false;
}

bool WatchPlan::ask(TimePoint now) noexcept {
  if (refreshing_ || !settles_at_ || now < *settles_at_) return false;
  settles_at_.reset();
  refreshing_ = true;
  return true;
}

}  // namespace pf::ctl
