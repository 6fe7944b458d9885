// What the workers of one measured run spent its time on, from their own words and, where one was lost, from what was heard
// of it. Values only; not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

#include <pfcore/measured_messages.hpp>

namespace pf::ctl {

class RunAccount {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // A frame came from a worker.
  void add_frame(std::size_t bytes) noexcept;
  // One item's result, or a try of it, from the worker in that place.
  void add_result(std::size_t worker, const core::ItemResult& result, TimePoint now);
  // The worker's own account: it replaces what was heard of it.
  void add_finished(std::size_t worker, const core::WorkerFinished& finished);
  // The worker is gone without a word. `item_since`: when it began the item that it was lost with, if any.
  void add_lost(std::size_t worker, std::optional<TimePoint> item_since, TimePoint now);

  // workers: places; run_start: when they were asked for. An item that was begun before that moves it (clocks are read one after
  // the other). `processors` and `groups` are left to the caller.
  [[nodiscard]] core::MeasuredEvent event(std::size_t workers, TimePoint run_start) const;

 private:
  struct Life {
    std::size_t worker = 0;
    bool open = true;            // no word of its end yet
    double begun_s = 0;          // CLOCK_MONOTONIC, as everywhere here
    double ended_s = 0;
    double busy_s = 0;
    double cpu_s = 0;
    double queued_s = 0;
    std::uint32_t ran = 0;
  };

  Life& open_life(std::size_t worker, double begun_s);

  std::vector<Life> lives_;
  std::int64_t frames_ = 0;
  std::int64_t bytes_ = 0;
};

}  // namespace pf::ctl
