// Workers that are gone: who is blamed, and who takes over.
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <utility>

#include <pfctl/run_state.hpp>

namespace pf::ctl {
namespace {

constexpr std::int64_t k_restarts_per_worker = 4;
constexpr std::uint32_t k_barren_starts = 3;

std::string_view phase_name(core::ItemPhase phase) {
  switch (phase) {
    case core::ItemPhase::setup: return "setup";
    case core::ItemPhase::teardown: return "teardown";
    case core::ItemPhase::call:
    case core::ItemPhase::none: break;
  }
  return "call";
}

std::string headline_of(const std::string& nodeid) {
  const std::size_t separator = nodeid.rfind("::");
  return separator == std::string::npos ? nodeid : nodeid.substr(separator + 2);
}

}  // namespace

std::string describe_wait_status(int status) {
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    const char* name = ::sigabbrev_np(number);
    return "killed by signal " + std::to_string(number) + (name != nullptr ? " (SIG" + std::string(name) + ")" : "");
  }
  return "exit code " + std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : status);
}

RunState::Slot* RunState::find_slot(std::int64_t slot) noexcept {
  if (slot < 0 || static_cast<std::uint64_t>(slot) >= slots_.size()) return nullptr;
  return &slots_[static_cast<std::size_t>(slot)];
}

void RunState::on_worker_started(std::int64_t index, std::int64_t pid, TimePoint) {
  Slot* slot = find_slot(index);
  // A short worker's own channel may be faster than the controller's: it is through before it has started.
  const bool is_new = slot != nullptr && slot->pid <= 0 && (slot->state == SlotState::starting || slot->state == SlotState::finished);
  if (!is_new || slot->in_controller || pid <= 1) return;
  slot->pid = pid;
  slot->exited = false;
  if (slot->state == SlotState::starting) slot->state = SlotState::live;
  pids_.push_back(pid);
  if (stage_ == Stage::leaving || cancel_step_ >= 2) kill_slot(static_cast<std::size_t>(index), "the run is over");
}

void RunState::on_worker_exited(std::int64_t index, std::int64_t pid, int status, TimePoint now) {
  Slot* slot = find_slot(index);
  if (slot == nullptr || slot->in_controller) return;
  if (pid <= 0 && slot->state == SlotState::starting) {
    // The controller could not fork: fewer workers, and no item was lost.
    slot->state = SlotState::gone;
    if (start_problem_.empty()) {
      start_problem_ = "a worker could not be started (see `ulimit -u`)";
      effects_.to_client(core::encode(core::PhaseEvent{"run", start_problem_, 0}));
    }
    maybe_end(now);
    return;
  }
  if (slot->exited || slot->pid != pid) return;
  slot->exited = true;
  if (board_) board_->release(static_cast<std::size_t>(index));
  measurements_.end_worker(static_cast<std::size_t>(index));
  effects_.signal_group(pid, SIGKILL);   // what the worker left behind in its session
  if (slot->state == SlotState::finished) slot->state = SlotState::gone;
  else if (slot->state != SlotState::gone) lose_worker(static_cast<std::size_t>(index), status, now);
  maybe_end(now);
  check_left(now);
}

void RunState::note_last_words(core::WorkerExited words) {
  Slot* slot = find_slot(words.slot);
  if (slot != nullptr && !slot->exited && slot->pid == words.pid) slot->words = std::move(words);
}

bool RunState::on_orphan_exited(std::int64_t pid, int status, TimePoint now) {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].exited || slots_[i].pid != pid) continue;
    // Its parent is dead, and the kernel kills the workers of a dead controller: nobody's crash.
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && slots_[i].state == SlotState::live && slots_[i].cause.empty()) {
      if (const auto item = lost_item(i, pid)) cut_off_.push_back(*item);
      slots_[i].state = SlotState::gone;
    }
    on_worker_exited(static_cast<std::int64_t>(i), pid, status, now);
    return true;
  }
  return false;
}

std::optional<std::uint32_t> RunState::lost_item(std::size_t slot, std::int64_t pid) const {
  if (!board_) return std::nullopt;
  const core::SlotView view = board_->slot(slot);
  if (view.pid != pid || view.item >= tally_.total() || tally_.has(view.item)) return std::nullopt;
  return view.item;
}

// Who sent a SIGKILL is not told; the kernel counts those that it sends itself for want of memory.
std::string RunState::end_of_worker(int status) {
  std::string text = describe_wait_status(status);
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL || effects_.oom_kills() <= oom_kills_) return text;
  ++oom_kills_;
  return text + ", probably by the kernel, since memory ran out";
}

void RunState::lose_worker(std::size_t index, int status, TimePoint now) {
  Slot& slot = slots_[index];
  slot.state = SlotState::gone;
  const std::optional<std::uint32_t> item = lost_item(index, slot.pid);
  account_loss(index, item.has_value(), now);
  // After a cancel the daemon itself ends workers: their items were interrupted, as in plain pytest, not failed.
  if (item && cancel_ == Cancel::none) {
    const std::string name = worker_name(index);
    const std::string running = "while running '" + selected_.nodeids[*item] + "'";
    std::string text;
    if (slot.limit != TimeLimit::none && slot.limit_item == *item) {
      text = slot.cause + " in worker '" + name + "' " + running;
    } else {
      const bool killed_for_cause = slot.limit == TimeLimit::none && !slot.cause.empty();
      text = "worker '" + name + "' crashed " + running + ": " + (killed_for_cause ? slot.cause : end_of_worker(status));
    }
    const std::uint32_t tries = std::max(board_->tries(*item), 1u);
    if (tries <= setup_.options.retries && stage_ == Stage::running && !board_->stopped()) {
      tell_lost_try(*item, name, tries, std::move(text));
      board_->put_back(*item);
    } else {
      blame(*item, name, phase_name(board_->slot(index).phase), tries, std::move(text), std::move(slot.words));
    }
  } else if (!slot.words.cause.empty() && cancel_ == Cancel::none) {
    // A worker that never came to an item: its controller knows why.
    start_problem_ = "worker '" + worker_name(index) + "': " + slot.words.cause;
    effects_.to_client(core::encode(core::PhaseEvent{"run", start_problem_, 0}));
    if (!slot.words.stacks.empty()) effects_.to_client(core::encode(core::OutputEvent{2, slot.words.stacks}));
    stop_board(start_problem_);
  } else if (slot.any_result && cancel_ == Cancel::none && board_ && !board_->has_work(index)) {
    tell_death_at_end(index, status);
  }
  if (!may_replace(index)) return;
  if (restarts_ >= most_restarts()) {
    // In xdist's words.
    stop_board(restarts_ == 0 ? "worker " + worker_name(index) + " crashed and worker restarting disabled"
                              : "maximum crashed workers reached: " + std::to_string(restarts_));
    return;
  }
  ++restarts_;
  const std::uint32_t barren = slot.any_result || item ? 0 : slot.barren_starts + 1;
  if (must_wait_for_memory()) {
    slot = Slot{};
    slot.state = SlotState::held;
    return;
  }
  if (!effects_.respawn(index)) {
    if (start_problem_.empty()) start_problem_ = "a lost worker could not be replaced: no file descriptors left";
    return;
  }
  slot = Slot{};
  slot.barren_starts = barren;
  stage_since_ = now;
}

void RunState::account_loss(std::size_t index, bool has_item, TimePoint now) {
  const std::uint64_t since_ns = has_item && board_ ? board_->slot(index).since_ns : 0;
  if (since_ns == 0) account_.add_lost(index, std::nullopt, now);
  else account_.add_lost(index, TimePoint(std::chrono::nanoseconds(since_ns)), now);
}

// Nothing is undone, and no test is to blame; but the worker's session did not end, and plain pytest would have died of that.
void RunState::tell_death_at_end(std::size_t index, int status) {
  died_at_end_ = true;
  if (!fault_.empty()) return;
  const std::string& cause = slots_[index].cause;
  fault_ = "worker '" + worker_name(index) + "' crashed after its last test: " + (cause.empty() ? end_of_worker(status) : cause);
  if (setup_.options.reporter == "pytest") effects_.to_client(core::encode(core::PhaseEvent{"run", fault_, 0}));
}

bool RunState::may_replace(std::size_t index) const {
  const Slot& slot = slots_[index];
  if (stage_ != Stage::running || cancel_ != Cancel::none || controller_gone_ || slot.in_controller) return false;
  if (!board_ || board_->stopped() || !board_->has_work(index)) return false;
  return slot.barren_starts < k_barren_starts;
}

// Without a number of its own a run goes on as long as its items last: each lost worker takes one of them along.
std::int64_t RunState::most_restarts() const noexcept {
  if (setup_.options.max_worker_restart >= 0) return setup_.options.max_worker_restart;
  if (selected_.max_worker_restart >= 0) return selected_.max_worker_restart;
  return std::max(k_restarts_per_worker * static_cast<std::int64_t>(slots_.size()), static_cast<std::int64_t>(tally_.total()));
}

// A try that took its worker with it and that another one follows: no result.
void RunState::tell_lost_try(std::uint32_t item, std::string worker, std::uint32_t attempt, std::string text) {
  core::PhaseReport phase;
  phase.when = "call";
  phase.outcome = phase.category = "rerun";
  phase.letter = "R";
  phase.word = "RERUN";
  phase.longrepr = text;
  phase.reason = text;
  phase.headline = headline_of(selected_.nodeids[item]);
  core::ItemResult result;
  result.item = item;
  result.attempt = attempt;
  result.outcome = "rerun";
  result.phases.push_back(std::move(phase));
  deliver(std::move(result), std::move(worker));
}

void RunState::blame(std::uint32_t item, std::string_view worker, std::string_view when, std::uint32_t attempt, std::string text,
                     core::WorkerExited words) {
  core::PhaseReport phase;
  phase.when = when;
  phase.outcome = "failed";
  phase.category = "failed";
  phase.letter = "F";
  phase.word = "FAILED";
  phase.longrepr = words.stacks.empty() ? text : text + "\n\n" + words.stacks;
  phase.sections = std::move(words.sections);
  phase.reason = text;
  phase.headline = headline_of(selected_.nodeids[item]);
  core::ItemResult result;
  result.item = item;
  result.attempt = attempt;
  result.outcome = "failed";
  result.phases.push_back(std::move(phase));
  result.lost = std::move(text);
  ++failed_reports_;
  deliver(std::move(result), std::string(worker));
  heed_maxfail();
}

// One of them may have killed its parent.
std::string RunState::running_items() const {
  std::vector<std::uint32_t> items = cut_off_;   // whichever end was heard of first
  for (std::size_t i = 0; stage_ == Stage::running && i < slots_.size(); ++i) {
    if (slots_[i].in_controller || slots_[i].state != SlotState::live) continue;
    if (const auto item = lost_item(i, slots_[i].pid)) items.push_back(*item);
  }
  std::string text;
  for (const std::uint32_t item : items) text += (text.empty() ? " while running '" : ", '") + selected_.nodeids[item] + "'";
  return text;
}

// An inline run has no board: its items are run in order, so the first one without a result after the last one with a
// result was running.
void RunState::blame_inline_item(std::optional<int> status) {
  if (cancel_ != Cancel::none) return;
  const std::vector<std::uint32_t> missing = tally_.missing();
  std::uint32_t last_done = 0;
  for (std::uint32_t item = 0; item < tally_.total(); ++item) {
    if (tally_.has(item)) last_done = item;
  }
  const auto running = std::find_if(missing.begin(), missing.end(), [&](std::uint32_t item) { return item >= last_done; });
  if (running == missing.end()) return;
  const std::string end = status ? describe_wait_status(*status) : std::string("gone");
  fault_ = "the process crashed while running '" + selected_.nodeids[*running] + "': " + end;
  blame(*running, "", "call", 1, fault_);
}

}  // namespace pf::ctl
