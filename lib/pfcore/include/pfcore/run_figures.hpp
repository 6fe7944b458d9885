// One measured run's events, collected into numbers: what the texts of --detailed and --bench are made of. Pure; not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <pfcore/export.hpp>
#include <pfcore/measured_messages.hpp>
#include <pfcore/metrics.hpp>
#include <pfcore/metrics_groups.hpp>
#include <pfcore/metrics_timing.hpp>
#include <pfcore/metrics_verdict.hpp>
#include <pfcore/worker_advice.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// One item that was run. Tries that another one followed are in its times.
struct TestFigures {
  std::string nodeid;
  std::string outcome;
  std::uint32_t item = 0;
  std::uint32_t worker = 0;
  std::uint32_t life = 0;                  // of the worker
  CallTimes times;                         // its phases
  std::chrono::nanoseconds setup_cpu{};
  std::chrono::nanoseconds setup_queued{};
  std::chrono::nanoseconds cpu{};          // of all phases
  std::chrono::nanoseconds queued{};
  std::chrono::nanoseconds busy{};         // wall time of its protocol: the phases, and what hooks do between them
  std::vector<FixtureReport> fixtures;
  std::vector<std::string> profile;

  [[nodiscard]] std::chrono::nanoseconds phases() const noexcept { return times.setup + times.call + times.teardown; }
  // busy, as it would be with a processor free at any time. (Of the phases alone this cannot be said: what a process queues for
  // between them is in `queued`, too.)
  [[nodiscard]] std::chrono::nanoseconds own() const noexcept { return own_time(busy, queued); }
};

class RunFigures {
 public:
  // keep_failures: results of failed items, with their tracebacks, for a text that shows them.
  explicit RunFigures(bool keep_failures = false) : keeps_failures_(keep_failures) {}

  // As they come; results without `measure` in the request have no busy times, and there is no text of them.
  void add_collected(const CollectedEvent& event) { collected_ = event; }
  void add_result(const ItemResult& result);
  void add_measured(const MeasuredEvent& event) { measured_ = event; }
  void add_finished(const FinishedEvent& event) { finished_ = event; }

  [[nodiscard]] const CollectedEvent& collected() const noexcept { return collected_; }
  [[nodiscard]] const std::optional<MeasuredEvent>& measured() const noexcept { return measured_; }
  [[nodiscard]] const FinishedEvent& finished() const noexcept { return finished_; }
  // In the order of their ends.
  [[nodiscard]] const std::vector<TestFigures>& tests() const noexcept { return tests_; }
  [[nodiscard]] const std::vector<ItemResult>& failures() const noexcept { return failures_; }
  // Outcomes in the order of their first appearance.
  [[nodiscard]] const std::vector<std::pair<std::string, std::size_t>>& outcomes() const noexcept { return outcomes_; }

  // Without measured(): of nothing.
  [[nodiscard]] std::size_t workers() const noexcept;
  [[nodiscard]] std::size_t processors() const noexcept;
  [[nodiscard]] RunTimes times() const;
  [[nodiscard]] RunGroups groups() const;
  // For advise_workers(); `groups` must outlive it.
  [[nodiscard]] AdviceInput advice_input(const RunGroups& groups, const RunTimes& times) const;

 private:
  bool keeps_failures_;
  CollectedEvent collected_;
  std::optional<MeasuredEvent> measured_;
  FinishedEvent finished_;
  std::vector<TestFigures> tests_;
  std::vector<ItemResult> failures_;
  std::vector<std::pair<std::string, std::size_t>> outcomes_;
  std::unordered_map<std::uint32_t, TestFigures> begun_;        // items of which a try was told
  std::unordered_map<std::uint32_t, std::uint32_t> lives_;      // by worker: how many were lost
};

}  // namespace pf::core
PF_CORE_API_END
