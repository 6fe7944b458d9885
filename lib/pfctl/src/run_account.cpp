#include <pfctl/run_account.hpp>

#include <algorithm>

namespace pf::ctl {
namespace {

double seconds_of(RunAccount::TimePoint when) { return std::chrono::duration<double>(when.time_since_epoch()).count(); }

}  // namespace

RunAccount::Life& RunAccount::open_life(std::size_t worker, double begun_s) {
  const auto found =
      std::find_if(lives_.rbegin(), lives_.rend(), [worker](const Life& life) { return life.worker == worker && life.open; });
  if (found != lives_.rend()) return *found;
  Life& life = lives_.emplace_back();
  life.worker = worker;
  life.begun_s = life.ended_s = begun_s;
  return life;
}

void RunAccount::add_frame(std::size_t bytes) noexcept {
  ++frames_;
  bytes_ += static_cast<std::int64_t>(bytes);
}

void RunAccount::add_result(std::size_t worker, const core::ItemResult& result, TimePoint now) {
  const double now_s = seconds_of(now);
  Life& life = open_life(worker, now_s - result.busy_s);
  life.ended_s = now_s;
  life.busy_s += result.busy_s;
  for (const core::PhaseReport& phase : result.phases) {
    life.cpu_s += phase.cpu_s;
    life.queued_s += phase.queued_s;
  }
  if (result.outcome != "rerun") ++life.ran;
}

void RunAccount::add_finished(std::size_t worker, const core::WorkerFinished& finished) {
  Life& life = open_life(worker, finished.begun_s);
  life.open = false;
  life.begun_s = finished.begun_s;
  life.ended_s = finished.ended_s;
  life.busy_s = finished.busy_s;
  life.cpu_s = finished.cpu_s;
  life.queued_s = finished.queued_s;
  life.ran = static_cast<std::uint32_t>(std::max<std::int64_t>(finished.ran, 0));
}

void RunAccount::add_lost(std::size_t worker, std::optional<TimePoint> item_since, TimePoint now) {
  const double now_s = seconds_of(now);
  const double since_s = item_since ? std::min(seconds_of(*item_since), now_s) : now_s;
  Life& life = open_life(worker, since_s);
  life.open = false;
  if (!item_since) return;
  life.busy_s += now_s - since_s;
  life.ended_s = now_s;
  ++life.ran;
}

core::MeasuredEvent RunAccount::event(std::size_t workers, TimePoint run_start) const {
  double start_s = seconds_of(run_start);
  double end_s = start_s;
  for (const Life& life : lives_) {
    if (life.ran > 0) start_s = std::min(start_s, life.begun_s);
    end_s = std::max(end_s, life.ended_s);
  }
  core::MeasuredEvent event;
  event.workers = static_cast<std::int64_t>(workers);
  event.wall_s = end_s - start_s;
  event.frames = frames_;
  event.bytes = bytes_;
  for (const Life& life : lives_) {
    core::LifeReport& report = event.lives.emplace_back();
    report.worker = static_cast<std::uint32_t>(life.worker);
    report.ran = life.ran;
    report.begun_s = std::max(life.begun_s - start_s, 0.0);
    report.ended_s = std::max(life.ended_s - start_s, 0.0);
    report.busy_s = life.busy_s;
    report.cpu_s = life.cpu_s;
    report.queued_s = life.queued_s;
  }
  return event;
}

}  // namespace pf::ctl
