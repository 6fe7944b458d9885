// The workers that all runs of a daemon may have together. A run alone has what it asks for; one that comes beside others
// begins with what is left, at least one, and gets more as theirs end. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>

namespace pf::ctl {

class WorkerBudget {
 public:
  explicit WorkerBudget(std::size_t workers) noexcept : workers_(std::max<std::size_t>(workers, 1)) {}

  // The run has that many workers now; 0 = it is over.
  void note(std::int64_t run, std::size_t workers) {
    if (workers == 0) used_.erase(run);
    else used_[run] = workers;
  }
  // How many more the run may start, which asks for `wanted` in all. Somebody who asks for more than the budget when nobody
  // else works gets it.
  [[nodiscard]] std::size_t free_for(std::int64_t run, std::size_t wanted) const {
    std::size_t own = 0;
    std::size_t others = 0;
    for (const auto& [id, workers] : used_) (id == run ? own : others) += workers;
    if (own >= wanted) return 0;
    if (others == 0) return wanted - own;
    const std::size_t left = workers_ > own + others ? workers_ - own - others : 0;
    return std::min(wanted - own, own == 0 ? std::max<std::size_t>(left, 1) : left);
  }

 private:
  std::size_t workers_;
  std::map<std::int64_t, std::size_t> used_;
};

}  // namespace pf::ctl
