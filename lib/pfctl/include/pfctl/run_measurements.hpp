// Between a run and the history: what its workers measured, and what a plan is to expect. Values only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <pfcore/messages.hpp>

#include <pfctl/history.hpp>

namespace pf::ctl {

struct ItemTimes {
  std::uint32_t item;
  float setup_s;
  float call_s;
  float teardown_s;
};

// Collects the results of one run, in the order in which each worker process had them.
class RunMeasurements {
 public:
  explicit RunMeasurements(std::size_t items = 0) : items_(items) {}
  // The slot's process is gone: what the next one sets up is set up anew.
  void end_worker(std::size_t slot);
  void add(std::size_t slot, const core::ItemResult& result);
  [[nodiscard]] bool empty() const noexcept { return ends_.empty(); }
  // Into the history. nodeids and groups are the run's (core::Selected), as many as items; day: days since the epoch.
  void learn(History& history, const std::vector<std::string>& nodeids, const core::U32List& groups, std::uint32_t day) const;

 private:
  struct End {
    std::uint32_t item;
    bool failed;
    bool flaky;
  };
  using Life = std::vector<ItemTimes>;

  std::size_t items_;
  std::vector<Life> lives_;
  std::vector<std::size_t> life_of_;   // by slot: 1 + its place in lives_, 0 = none
  std::vector<End> ends_;
};

// What core::PlanInput wants to know, by item; NaN = not known. A test that never ran is expected to take what the others of
// its file take.
struct Expectations {
  std::vector<double> expected_s;
  std::vector<double> setup_s;
};
[[nodiscard]] Expectations expectations(const History& history, const std::vector<std::string>& nodeids, const core::U32List& groups);

}  // namespace pf::ctl
