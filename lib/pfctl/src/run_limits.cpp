// Everything of a run that passes by itself: cancels, time limits, silence, and the way out.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <utility>

#include <pfctl/run_state.hpp>

namespace pf::ctl {
namespace {

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", seconds);
  return text;
}

}  // namespace

void RunState::tick(TimePoint now, bool sources_paused) {
  if (was_paused_ && !sources_paused && !suspended_) resumed_at_ = now;
  was_paused_ = sources_paused || suspended_;
  advance_cancel(now);
  if (suspended_) return;   // nobody is late who was told to stop
  advance_silence(now);
  advance_deadlines(now);
  if (!sources_paused) advance_time_limits(now);
  advance_hang_dumps(now);
  start_held_workers();
  advance_leaving(now);
  send_progress(now);
}

// ---------------------------------------------------------------- cancel

void RunState::on_interrupt(TimePoint now) {
  // pytest on the client's terminal decides itself what a Ctrl-C ends: a test, the session, or a line typed to a debugger.
  if (stage_ == Stage::inline_run) {
    if (controller_pid_ > 0 && !controller_gone_) effects_.signal_process(controller_pid_, SIGINT);
    inline_interrupted_ = true;
    return;
  }
  if (cancel_ == Cancel::none) begin_cancel(Cancel::interrupt, now);
}

void RunState::on_kill(TimePoint now) {
  if (cancel_ != Cancel::kill) begin_cancel(Cancel::kill, now);
}

void RunState::signal_everybody(int number) {
  if (controller_pid_ > 1 && !controller_gone_) effects_.signal_group(controller_pid_, number);
  for (const Slot& slot : slots_) {
    if (!slot.exited && !slot.in_controller && slot.pid > 1) effects_.signal_group(slot.pid, number);
  }
}

// The controller first: it starts no worker that nobody stops. SIGSTOP, since SIGTSTP does nothing in a session without a terminal.
void RunState::on_suspend() {
  if (suspended_ || cancel_ != Cancel::none || stage_ == Stage::leaving || stage_ == Stage::done) return;
  suspended_ = true;
  signal_everybody(SIGSTOP);
}

void RunState::on_resume(TimePoint now) {
  if (!suspended_) return;
  suspended_ = false;
  if (stage_ == Stage::selecting) stage_since_ = now;
  for (Slot& slot : slots_) slot.stopped_since.reset();
  controller_stopped_since_.reset();
  signal_everybody(SIGCONT);
}

void RunState::on_client_gone(TimePoint now) {
  if (stage_ == Stage::inline_run) {
    on_kill(now);
    return;
  }
  if (cancel_ == Cancel::none) begin_cancel(Cancel::interrupt, now);
  teardown_until_ = std::min(teardown_until_, now + setup_.times.gone_grace);
}

void RunState::begin_cancel(Cancel how, TimePoint now) {
  const bool first = cancel_ == Cancel::none;
  on_resume(now);
  cancel_ = how;
  teardown_until_ = how == Cancel::kill ? now : now + setup_.times.teardown_grace;
  if (stage_ == Stage::done || stage_ == Stage::leaving) return;
  interrupted_ = true;
  stop_board("KeyboardInterrupt");
  cancel_next_ = now + (how == Cancel::kill ? setup_.times.kill_grace : setup_.times.interrupt_grace);
  if (waits_for_teardown_) cancel_step_ = 0;
  cancel_step_ = how == Cancel::kill ? std::max<std::uint8_t>(cancel_step_, 1) : 0;
  if (first) interrupt_processes();
}

void RunState::interrupt_processes() {
  if (stage_ != Stage::running) {
    if (controller_pid_ > 0 && !controller_gone_) effects_.signal_process(controller_pid_, SIGINT);
    return;
  }
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    const bool there = slot.in_controller ? !controller_gone_ : !slot.exited;
    if (slot.state != SlotState::live || !there || !board_) continue;
    // Between two items the stop flag is enough, and a signal would only disturb the way out.
    if (board_->slot(i).state == core::WorkerState::running) effects_.signal_process(slot.pid, SIGINT);
  }
}

void RunState::terminate_workers(TimePoint now) {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].exited && !is_spared(i, now)) effects_.signal_group(slots_[i].pid, SIGTERM);
  }
}

// A worker that tears down does what it was interrupted for, as in plain pytest; a second Ctrl-C ends that.
bool RunState::is_spared(std::size_t index, TimePoint now) const {
  const Slot& slot = slots_[index];
  if (now >= teardown_until_ || !board_ || slot.state != SlotState::live || (slot.exited && !slot.in_controller)) return false;
  const core::SlotView view = board_->slot(index);
  return view.pid == slot.pid && view.phase == core::ItemPhase::teardown;
}

bool RunState::wait_for_teardown(TimePoint now) {
  bool any = stage_ == Stage::ending && now < teardown_until_;
  std::string text = "the session's end";
  for (std::size_t i = 0; stage_ == Stage::running && i < slots_.size(); ++i) {
    if (!is_spared(i, now)) continue;
    const std::uint32_t item = board_->slot(i).item;
    if (item < selected_.nodeids.size()) text = "the teardown of '" + selected_.nodeids[item] + "'";
    any = true;
  }
  const bool is_news = any && !std::exchange(waits_for_teardown_, any);
  if (is_news) effects_.to_client(core::encode(core::OutputEvent{2, "pfast: waiting for " + text + "; Ctrl-C again ends it\n"}));
  return any;
}

// Step 0: SIGINT was sent. 1: the workers' groups are terminated. 2: killed. 3: the controller, too.
void RunState::advance_cancel(TimePoint now) {
  if (cancel_ == Cancel::none || stage_ == Stage::leaving || stage_ == Stage::done || stage_ == Stage::forking) return;
  if (now < cancel_next_) return;
  const bool workers_left = stage_ == Stage::running && !all_settled() && !slots_.empty() && !slots_[0].in_controller;
  const bool was_waiting = waits_for_teardown_;
  if (wait_for_teardown(now)) {
    // The others are ended meanwhile.
    if (workers_left && cancel_step_ == 0) terminate_workers(now);
    if (workers_left && cancel_step_ == 1) {
      for (std::size_t i = 0; i < slots_.size(); ++i) {
        if (!is_spared(i, now)) kill_slot(i, "cancelled");
      }
    }
    if (cancel_step_ < 2) ++cancel_step_;
    cancel_next_ = now + setup_.times.terminate_grace;
    return;
  }
  waits_for_teardown_ = false;
  if (was_waiting && cancel_ == Cancel::interrupt) cancel_step_ = 0;   // for those who were spared until now
  switch (cancel_step_) {
    case 0:
      if (workers_left) terminate_workers(now);
      else if (controller_pid_ > 0) effects_.signal_group(controller_pid_, SIGTERM);
      cancel_next_ = now + setup_.times.terminate_grace;
      break;
    case 1:
      if (workers_left) {
        for (std::size_t i = 0; i < slots_.size(); ++i) kill_slot(i, "cancelled");
      }
      cancel_next_ = now + (workers_left ? setup_.times.leave_grace : Milliseconds(0));
      break;
    case 2:
      kill_controller("cancelled");
      cancel_next_ = now + setup_.times.leave_grace;
      break;
    default:
      // Not even the kernel gets rid of it at once (a process in uninterruptible sleep): the client need not wait.
      conclude(2, now);
      return;
  }
  ++cancel_step_;
}

void RunState::kill_slot(std::size_t index, std::string cause) {
  Slot& slot = slots_[index];
  if (slot.exited || slot.pid <= 1) return;
  if (slot.cause.empty()) slot.cause = std::move(cause);
  effects_.signal_group(slot.pid, SIGKILL);
  effects_.signal_process(slot.pid, SIGKILL);   // it may not have its own session yet
}

void RunState::kill_controller(std::string cause) {
  if (controller_gone_ || controller_pid_ <= 1) return;
  if (controller_cause_.empty()) controller_cause_ = std::move(cause);
  effects_.signal_group(controller_pid_, SIGKILL);
  effects_.signal_process(controller_pid_, SIGKILL);
}

// ---------------------------------------------------------------- deadlines

void RunState::advance_deadlines(TimePoint now) {
  if (stage_ != Stage::selecting) return;
  if (now - stage_since_ < setup_.times.select) return;
  if (controller_cause_.empty()) {
    controller_cause_ = "its session selected no items within " +
                        seconds_text(std::chrono::duration<double>(setup_.times.select).count()) + " s";
    effects_.signal_process(controller_pid_, SIGUSR1);   // faulthandler writes the stacks to the client's stderr
    return;
  }
  if (now - stage_since_ >= setup_.times.select + setup_.times.silence) kill_controller(controller_cause_);
}

void RunState::on_worker_silent(std::size_t index, bool broken, TimePoint now) {
  Slot* slot = find_slot(static_cast<std::int64_t>(index));
  if (slot == nullptr || slot->state == SlotState::finished || slot->state == SlotState::gone) return;
  if (!slot->silent_since) slot->silent_since = now;
  if (slot->in_controller) {
    on_controller_silent(now);
    return;
  }
  if (broken) kill_slot(index, "it sent bytes that are no message");
}

void RunState::on_controller_silent(TimePoint now) {
  if (!controller_silent_since_) controller_silent_since_ = now;
}

// The end of a channel is a hint only: the process' end is the truth, and it is given a moment to come. A process that
// somebody stopped (SIGSTOP) will never say anything again.
void RunState::advance_silence(TimePoint now) {
  const bool look = now - looked_at_ >= setup_.times.silence / 2;
  if (look) looked_at_ = now;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (slot.exited) continue;
    if (slot.silent_since && now - *slot.silent_since >= setup_.times.silence) kill_slot(i, "it closed its channel to the daemon");
    if (slot.finished_at && now - *slot.finished_at >= setup_.times.exit_grace) kill_slot(i, "it did not leave");
    if (!look) continue;
    const RunEffects::Process process = effects_.look_at(slot.pid);
    if (process == RunEffects::Process::gone && controller_gone_) {
      if (!slot.gone_since) slot.gone_since = now;
      if (now - *slot.gone_since >= setup_.times.silence) {
        on_worker_exited(static_cast<std::int64_t>(i), slot.pid, SIGKILL, now);   // reaped by a controller that told nobody
      }
      continue;
    }
    if (process != RunEffects::Process::stopped) slot.stopped_since.reset();
    else if (!slot.stopped_since) slot.stopped_since = now;
    else if (now - *slot.stopped_since >= setup_.times.silence) kill_slot(i, "it was stopped by a signal and did not go on");
  }
  if (controller_gone_ || controller_pid_ <= 1) return;
  if (controller_silent_since_ && now - *controller_silent_since_ >= setup_.times.silence) {
    kill_controller("it closed its channel to the daemon");
  }
  if (!look) return;
  const RunEffects::Process process = effects_.look_at(controller_pid_);
  // A controller that has just left in order is gone, too: on a busy machine its last words are still to be read.
  if (process != RunEffects::Process::zombie && process != RunEffects::Process::gone) controller_ended_since_.reset();
  else if (!controller_ended_since_) controller_ended_since_ = now;
  if (controller_ended_since_ && now - *controller_ended_since_ >= setup_.times.silence) {
    on_controller_exited(std::nullopt, now);   // its forkserver is stopped, or told nobody
  } else if (process == RunEffects::Process::stopped && stage_ != Stage::inline_run) {
    if (!controller_stopped_since_) controller_stopped_since_ = now;
    else if (now - *controller_stopped_since_ >= setup_.times.silence) kill_controller("it was stopped by a signal and did not go on");
  } else {
    controller_stopped_since_.reset();
  }
}

// ---------------------------------------------------------------- the time limit of an item

void RunState::read_time_limits() {
  has_limits_ = setup_.options.timeout_s > 0;
  for (std::size_t i = 0; i + 1 < selected_.time_limits.size(); i += 2) {
    const double seconds = selected_.time_limits[i + 1] / 1000.0;
    own_limits_s_[selected_.time_limits[i]] = seconds;
    has_limits_ = has_limits_ || seconds > 0;
  }
}

double RunState::time_limit_s(std::uint32_t item) const noexcept {
  const auto own = own_limits_s_.find(item);
  return own == own_limits_s_.end() ? setup_.options.timeout_s : own->second;
}

void RunState::advance_time_limits(TimePoint now) {
  if (!has_limits_ || stage_ != Stage::running || !board_ || cancel_ != Cancel::none) return;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (slot.exited || slot.state != SlotState::live) continue;
    const std::optional<std::uint32_t> item = lost_item(i, slot.pid);
    if (!item || (slot.limit != TimeLimit::none && slot.limit_item != *item)) {
      slot.limit = TimeLimit::none;
      slot.cause.clear();
      continue;
    }
    const double limit_s = time_limit_s(*item);
    if (limit_s <= 0) continue;
    const TimePoint started = std::max(TimePoint(std::chrono::nanoseconds(board_->slot(i).since_ns)), resumed_at_);
    if (slot.limit == TimeLimit::none) {
      if (now - started < std::chrono::duration<double>(limit_s)) continue;
      slot.limit = TimeLimit::dumped;
      slot.limit_item = *item;
      slot.limit_at = now;
      slot.cause = "timed out after " + seconds_text(limit_s) + " s";
      effects_.signal_process(slot.pid, SIGUSR1);
    } else if (slot.limit == TimeLimit::dumped && now - slot.limit_at >= setup_.times.dump_grace) {
      slot.limit = TimeLimit::terminated;
      slot.limit_at = now;
      effects_.signal_group(slot.pid, SIGTERM);
    } else if (slot.limit == TimeLimit::terminated && now - slot.limit_at >= setup_.times.terminate_grace) {
      slot.limit = TimeLimit::killed;
      kill_slot(i, slot.cause);
    }
  }
}

// ---------------------------------------------------------------- the way out

void RunState::advance_leaving(TimePoint now) {
  if (stage_ != Stage::leaving) return;
  if (now - stage_since_ >= setup_.times.leave_grace) {
    for (std::size_t i = 0; i < slots_.size(); ++i) kill_slot(i, "it did not leave");
    kill_controller("it did not leave");
  }
  // A process that the kernel cannot end is left to the sweep of strays.
  if (now - stage_since_ >= 2 * setup_.times.leave_grace) stage_ = Stage::done;
  check_left(now);
}

}  // namespace pf::ctl
