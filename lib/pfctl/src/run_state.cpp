#include <pfctl/run_state.hpp>

#include <algorithm>
#include <utility>

namespace pf::ctl {
namespace {

constexpr int k_code_interrupted = 2;
constexpr std::int64_t k_exit_not_started = 72;  // pfast's own: no process to run it in

double ms_between(TimePoint from, TimePoint to) { return std::chrono::duration<double, std::milli>(to - from).count(); }

std::int64_t count_failed(const std::vector<core::PhaseReport>& reports) {
  return std::count_if(reports.begin(), reports.end(),
                       [](const core::PhaseReport& report) { return report.outcome == "failed" && !report.wasxfail; });
}

}  // namespace

std::string worker_name(std::size_t slot) { return "gw" + std::to_string(slot); }

RunState::RunState(RunSetup setup, RunEffects& effects, TimePoint now)
    : setup_(std::move(setup)),
      effects_(effects),
      forked_at_(now),
      stage_since_(now),
      run_since_(now),
      looked_at_(now),
      progress_at_(now) {}

// ---------------------------------------------------------------- fork and selection

void RunState::on_forked(std::int64_t pid, TimePoint now) {
  if (stage_ != Stage::forking) return;
  controller_pid_ = pid;
  pids_.push_back(pid);
  stage_ = Stage::selecting;
  stage_since_ = now;
  if (cancel_ != Cancel::none) interrupt_processes();
}

void RunState::on_fork_failed(std::string_view why, TimePoint now) {
  if (stage_ != Stage::forking) return;
  controller_gone_ = true;
  refuse("fork-failed", "fork a process for the run: " + std::string(why),
         "see `ulimit -u` and the memory that is free; `pfast status` shows what runs", k_exit_not_started);
  stage_ = Stage::leaving;
  check_left(now);
}

void RunState::on_selected(core::Selected selected, TimePoint now) {
  if (stage_ != Stage::selecting) return;
  selected_ = std::move(selected);
  if (selected_.groups.size() != selected_.nodeids.size()) selected_.groups.assign(selected_.nodeids.size(), 0);
  tally_ = core::RunTally(selected_.nodeids.size());
  measurements_ = RunMeasurements(selected_.nodeids.size());
  read_time_limits();
  failed_reports_ = count_failed(selected_.collect_reports);
  select_ms_ = ms_between(forked_at_, now);
  run_since_ = stage_since_ = now;
  if (selected_.session_over || selected_.inline_run) {
    stage_ = selected_.session_over ? Stage::session_over : Stage::inline_run;
    send_collected(std::nullopt);
    return;
  }
  stage_ = Stage::running;
  if (selected_.nodeids.empty() || cancel_ != Cancel::none) {
    send_collected(std::nullopt);
    end_run(now);
    return;
  }
  start_work(now);
}

// ---------------------------------------------------------------- results

void RunState::on_inline_result(core::ItemResult result, TimePoint now) {
  if (stage_ != Stage::inline_run) return;
  if (!setup_.options.measure.empty()) account_.add_result(0, result, now);
  failed_reports_ += count_failed(result.phases);
  measurements_.add(0, result);
  deliver(std::move(result), "");
  heed_maxfail();   // pytest itself stops; this is for the wording
}

void RunState::on_result(std::size_t slot, core::ItemResult result, TimePoint now) {
  if (slot >= slots_.size() || answered_) return;
  slots_[slot].any_result = true;
  slots_[slot].barren_starts = 0;
  failed_reports_ += count_failed(result.phases);
  measurements_.add(slot, result);
  if (!setup_.options.measure.empty()) account_.add_result(slot, result, now);
  deliver(std::move(result), worker_name(slot));
  heed_maxfail();
}

void RunState::heed_maxfail() {
  if (selected_.maxfail > 0 && failed_reports_ >= selected_.maxfail) {
    stop_board("stopping after " + std::to_string(failed_reports_) + " failures");
  }
}

void RunState::on_warning(std::size_t slot, const core::WarningReport& warning) {
  if (slot >= slots_.size()) return;
  if (!warning.opaque.empty() && forwards_reports() && stage_ == Stage::running && !controller_gone_) {
    effects_.to_controller(core::encode(warning));
  }
  on_controller_warning(warning);
}

void RunState::on_worker_finished(std::size_t index, const core::WorkerFinished& finished, TimePoint now) {
  Slot* slot = find_slot(static_cast<std::int64_t>(index));
  if (slot == nullptr || slot->state == SlotState::gone || slot->state == SlotState::finished) return;
  slot->state = SlotState::finished;
  slot->finished_at = now;
  account_.add_finished(index, finished);
  if (!finished.internal_error.empty()) {
    effects_.to_client(core::encode(core::OutputEvent{1, finished.internal_error}));
    forced_code_ = k_code_internal_error;
    if (fault_.empty()) fault_ = "internal error in worker '" + worker_name(index) + "'";
    stop_board("");
  } else if (!finished.interrupted.empty()) {
    interrupted_ = true;
    interrupted_at_ += finished.interrupted_at;
    if (finished.exit_code >= 0) forced_code_ = static_cast<int>(finished.exit_code);
    stop_board(finished.interrupted);
  }
  maybe_end(now);
}

void RunState::stop_board(std::string reason) {
  if (stop_reason_.empty()) stop_reason_ = std::move(reason);
  if (board_) board_->stop();
}

// ---------------------------------------------------------------- the end

bool RunState::all_settled() const noexcept {
  return std::all_of(slots_.begin(), slots_.end(), [](const Slot& slot) {
    // A worker that is through with its items runs its exit functions: what they write belongs to the run. One that takes too
    // long is killed (advance_silence).
    return slot.state == SlotState::gone || slot.state == SlotState::held || (slot.state == SlotState::finished && slot.in_controller);
  });
}

void RunState::maybe_end(TimePoint now) {
  if (stage_ != Stage::running) return;
  note_workers();
  if (all_settled()) start_held_workers();   // whoever worked left something
  if (!all_settled() || start_serial_work(now)) return;
  if (controller_gone_) {
    // It ran the only item itself and that item has its result: a failure like any other worker's.
    const bool only_item_blamed = !slots_.empty() && slots_[0].in_controller && tally_.complete() && tally_.failed() > 0;
    conclude(only_item_blamed ? 1 : k_code_internal_error, now);
    return;
  }
  end_run(now);
}

// Everything else is over and every worker is gone: one more runs what runs alone.
bool RunState::start_serial_work(TimePoint now) {
  if (!board_ || !board_->has_serial_work() || board_->stopped() || cancel_ != Cancel::none || controller_gone_) return false;
  board_->open_serial();
  if (!effects_.respawn(0)) {
    if (start_problem_.empty()) start_problem_ = "a worker for tests that run alone could not be started: no file descriptors left";
    return false;
  }
  slots_[0] = Slot{};
  stage_since_ = now;
  return true;
}

void RunState::end_run(TimePoint now) {
  stage_ = Stage::ending;
  stage_since_ = now;
  if (cancel_ != Cancel::none) cancel_next_ = now + (cancel_ == Cancel::kill ? setup_.times.kill_grace : setup_.times.interrupt_grace);
  waits_for_teardown_ = false;   // of the workers; the session's end is another matter
  send_testcases();
  core::EndRun end;
  end.failed = tally_.with_failure();
  end.passed = tally_.without_failure();
  end.stop_reason = stop_reason_;
  end.interrupted = interrupted_;
  end.interrupted_at = interrupted_at_;
  end.interrupt_code = interrupted_ && cancel_ == Cancel::none && forced_code_ ? *forced_code_ : -1;
  effects_.to_controller(core::encode(end));
}

void RunState::on_controller_finished(const core::ControllerFinished& finished, TimePoint now) {
  if (controller_said_end_ || stage_ == Stage::leaving || stage_ == Stage::done || stage_ == Stage::forking) return;
  controller_said_end_ = true;
  plugin_output_ = finished.output;
  session_s_ = finished.duration_s;
  if (!finished.stop_reason.empty()) stop_reason_ = finished.stop_reason;   // a plugin's, say
  if (stage_ == Stage::running && !all_settled() && fault_.empty()) fault_ = "the session ended while workers were running";
  conclude(static_cast<int>(finished.exit_code), now);
}

void RunState::conclude(int session_code, TimePoint now) {
  if (answered_) return;
  if (board_) board_->stop();
  int code = session_code;
  if (stage_ != Stage::session_over || controller_gone_) code = core::verdict(tally_, session_code, interrupted_);
  if (forced_code_ && *forced_code_ != 0) code = *forced_code_;
  if (code == 0 && died_at_end_) code = k_code_internal_error;
  if (cancel_ != Cancel::none) code = k_code_interrupted;
  send_finished(code, now);
  stage_ = Stage::leaving;
  stage_since_ = now;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].state != SlotState::finished) kill_slot(i, "the run is over");
  }
  check_left(now);
}

void RunState::check_left(TimePoint) {
  if (stage_ != Stage::leaving || (!controller_gone_ && controller_pid_ > 0)) return;
  if (std::all_of(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.exited; })) stage_ = Stage::done;
}

void RunState::on_controller_exited(std::optional<int> status, TimePoint now) {
  if (controller_gone_ || stage_ == Stage::done) return;
  controller_gone_ = true;
  for (Slot& slot : slots_) {
    if (slot.pid <= 0) slot.state = SlotState::gone;   // never announced: nobody will tell its end
  }
  if (stage_ == Stage::leaving) {
    check_left(now);
    return;
  }
  const std::string end = status ? describe_wait_status(*status) : std::string("gone");
  if (!controller_cause_.empty()) fault_ = "the run's controller was killed: " + controller_cause_;
  else fault_ = "the run's controller ended before its session did (" + end + ")" + running_items();
  switch (stage_) {
    case Stage::inline_run:
      if (inline_interrupted_) {               // it ended by the signal itself
        stop_reason_ = "KeyboardInterrupt";
        conclude(k_code_interrupted, now);
        return;
      }
      blame_inline_item(status);
      conclude(tally_.complete() && tally_.failed() > 0 ? 1 : k_code_internal_error, now);
      return;
    case Stage::running:
      if (!slots_.empty() && slots_[0].in_controller && slots_[0].state == SlotState::live) lose_worker(0, status.value_or(0), now);
      maybe_end(now);
      return;
    default:
      conclude(k_code_internal_error, now);
  }
}

core::RunStatus RunState::status(TimePoint now) const {
  core::RunStatus status;
  status.id = setup_.id;
  status.done = static_cast<std::int64_t>(tally_.done());
  status.total = static_cast<std::int64_t>(tally_.total());
  const std::uint64_t now_ns = static_cast<std::uint64_t>(now.time_since_epoch().count());
  for (std::size_t i = 0; i < slots_.size() && board_; ++i) {
    if (slots_[i].state == SlotState::gone || slots_[i].state == SlotState::held) continue;
    const core::SlotView view = board_->slot(i);
    core::WorkerStatus worker;
    worker.name = worker_name(i);
    worker.pid = slots_[i].pid;
    if (view.state == core::WorkerState::running && view.item < selected_.nodeids.size()) {
      worker.nodeid = selected_.nodeids[view.item];
      if (view.since_ns != 0 && view.since_ns < now_ns) worker.for_s = static_cast<double>(now_ns - view.since_ns) / 1e9;
    }
    status.workers.push_back(std::move(worker));
  }
  return status;
}

}  // namespace pf::ctl
