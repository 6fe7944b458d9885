#include <pfcore/run_figures.hpp>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "metrics_sums.hpp"

namespace pf::core {
namespace {

using std::chrono::nanoseconds;

// "gw3"; a run's own process has no name and is the first.
std::uint32_t worker_number(std::string_view name) noexcept {
  std::uint32_t number = 0;
  if (name.starts_with("gw")) std::from_chars(name.data() + 2, name.data() + name.size(), number);
  return number;
}

void add_phase(TestFigures& test, const PhaseReport& phase) {
  const nanoseconds wall = from_seconds(phase.duration_s);
  const nanoseconds cpu = from_seconds(phase.cpu_s);
  const nanoseconds queued = from_seconds(phase.queued_s);
  if (phase.when == "setup") {
    test.times.setup += wall;
    test.setup_cpu += cpu;
    test.setup_queued += queued;
  } else if (phase.when == "call") {
    test.times.call += wall;
    test.times.call_cpu += cpu;
    test.times.call_queued += queued;
  } else if (phase.when == "teardown") {
    test.times.teardown += wall;
  }
  test.cpu += cpu;
  test.queued += queued;
}

WorkerLife life_of(const LifeReport& report) {
  WorkerLife life;
  life.worker = report.worker;
  life.begun = from_seconds(report.begun_s);
  life.ended = from_seconds(report.ended_s);
  life.busy = from_seconds(report.busy_s);
  life.cpu = from_seconds(report.cpu_s);
  life.queued = from_seconds(report.queued_s);
  life.ran = report.ran;
  return life;
}

}  // namespace

void RunFigures::add_result(const ItemResult& result) {
  TestFigures& so_far = begun_[result.item];
  for (const PhaseReport& phase : result.phases) add_phase(so_far, phase);
  so_far.busy = plus(so_far.busy, from_seconds(result.busy_s));
  so_far.fixtures.insert(so_far.fixtures.end(), result.fixtures.begin(), result.fixtures.end());
  if (result.outcome == "rerun") return;

  TestFigures test = std::move(so_far);
  begun_.erase(result.item);
  test.nodeid = result.nodeid;
  test.outcome = result.outcome;
  test.item = result.item;
  test.worker = worker_number(result.worker);
  test.life = lives_[test.worker];
  test.profile = result.profile;
  if (!result.lost.empty()) ++lives_[test.worker];
  tests_.push_back(std::move(test));

  const auto same = [&](const auto& entry) { return entry.first == result.outcome; };
  const auto counted = std::find_if(outcomes_.begin(), outcomes_.end(), same);
  if (counted != outcomes_.end()) ++counted->second;
  else outcomes_.emplace_back(result.outcome, 1);
  const bool failed = result.outcome == "failed" || result.outcome == "error";
  if (!failed || !keeps_failures_) return;
  failures_.push_back(result);
  failures_.back().opaque.clear();
}

std::size_t RunFigures::workers() const noexcept {
  return measured_ && measured_->workers > 0 ? static_cast<std::size_t>(measured_->workers) : 0;
}

std::size_t RunFigures::processors() const noexcept {
  return measured_ && measured_->processors > 0 ? static_cast<std::size_t>(measured_->processors) : 1;
}

RunTimes RunFigures::times() const {
  if (!measured_) return {};
  std::vector<WorkerLife> lives;
  for (const LifeReport& report : measured_->lives) lives.push_back(life_of(report));
  return account_of(std::move(lives), workers(), from_seconds(measured_->wall_s));
}

RunGroups RunFigures::groups() const {
  if (!measured_) return {};
  std::vector<RunItem> items;
  items.reserve(tests_.size());
  for (const TestFigures& test : tests_) {
    RunItem& item = items.emplace_back();
    item.item = test.item;
    item.worker = test.worker;
    item.life = test.life;
    item.busy = test.busy;
    item.cpu = test.cpu;
    item.queued = test.queued;
    item.setup = test.times.setup;
    item.setup_cpu = test.setup_cpu;
    item.setup_queued = test.setup_queued;
  }
  return run_groups(items, measured_->groups);
}

AdviceInput RunFigures::advice_input(const RunGroups& groups, const RunTimes& times) const {
  std::vector<nanoseconds> starts;
  for (const WorkerTimes& worker : times.workers) {
    if (worker.lives > 0) starts.push_back(worker.start);
  }
  AdviceInput input;
  input.groups = groups.without_start;
  input.workers = std::max<std::size_t>(times.workers.size(), 1);
  input.processors = processors();
  input.start = plus(median_of(std::move(starts)), own_time(groups.start.wall, groups.start.queued));
  input.start_cpu = groups.start.cpu;
  return input;
}

}  // namespace pf::core
