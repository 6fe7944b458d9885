// Which of a run's workers exist: all that it asks for when it is alone, else what the other runs leave.
#include <algorithm>
#include <string>
#include <utility>

#include <pfctl/run_state.hpp>

namespace pf::ctl {
namespace {

constexpr std::int64_t k_exit_not_started = 72;
constexpr std::size_t k_max_workers = 512;       // each is a descriptor of the daemon

}  // namespace

std::size_t RunState::wanted_workers() const {
  const std::size_t items = selected_.nodeids.size();
  const std::int64_t asked = setup_.options.workers;
  const std::size_t wanted = asked < 0 ? setup_.default_workers : static_cast<std::size_t>(asked);
  const std::size_t beside_others = items - std::min(selected_.serial.size(), items);
  return std::clamp<std::size_t>(wanted, 1, std::clamp<std::size_t>(beside_others, 1, k_max_workers));
}

void RunState::start_work(TimePoint now) {
  const std::size_t workers = wanted_workers();
  // A time limit is kept by killing the item's process, and the session must survive that; so must one whose item is to be
  // tried again when it has killed its process. The controller keeps its own reports: nobody else gets them.
  const bool in_controller = selected_.nodeids.size() == 1 && !has_limits_ && setup_.options.retries <= 0 && !selected_.own_sessions &&
                             !setup_.options.full_report;
  std::size_t at_once = std::clamp<std::size_t>(effects_.free_workers(workers), 1, workers);
  const std::string shortage = at_once > 1 ? effects_.memory_shortage() : std::string();
  if (!shortage.empty()) at_once = 1;
  oom_kills_ = effects_.oom_kills();
  auto board = effects_.start_workers(selected_, workers, at_once, in_controller);
  if (!board) {
    refuse("no-workers", board.error().message, "see `ulimit -n`; fewer workers (-n) need fewer descriptors", k_exit_not_started);
    stage_ = Stage::leaving;
    stage_since_ = now;
    kill_controller("no workers could be started");
    return;
  }
  board_ = std::move(board).value();
  slots_.resize(board_->workers());
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    slots_[i].in_controller = in_controller;
    slots_[i].state = in_controller ? SlotState::live : i < at_once ? SlotState::starting : SlotState::held;
    slots_[i].pid = in_controller ? controller_pid_ : 0;
  }
  note_workers();
  const std::string some = std::to_string(at_once) + " of " + std::to_string(slots_.size()) + " workers for now: ";
  if (!shortage.empty()) {
    told_shortage_ = true;
    effects_.to_client(core::encode(core::PhaseEvent{"run", some + shortage, 0}));
  } else if (at_once < slots_.size() && setup_.options.verbose_plan) {
    effects_.to_client(core::encode(core::PhaseEvent{"run", some + "other runs have the rest", 0}));
  }
  send_collected(board_);
}

void RunState::note_workers() {
  const auto working = std::count_if(slots_.begin(), slots_.end(),
                                     [](const Slot& slot) { return slot.state != SlotState::gone && slot.state != SlotState::held; });
  effects_.note_workers(static_cast<std::size_t>(working));
}

// One worker is always let to work: a run that waits for memory that never comes would be no run.
bool RunState::must_wait_for_memory() {
  const bool others_work = std::any_of(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.state == SlotState::live || slot.state == SlotState::starting; });
  if (!others_work) return false;
  const std::string shortage = effects_.memory_shortage();
  if (!shortage.empty() && !std::exchange(told_shortage_, true)) {
    effects_.to_client(core::encode(core::PhaseEvent{"run", "no further worker for now: " + shortage, 0}));
  }
  return !shortage.empty();
}

void RunState::start_held_workers() {
  if (stage_ != Stage::running || cancel_ != Cancel::none || controller_gone_ || !board_ || board_->stopped()) return;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].state != SlotState::held || !board_->has_work(i)) continue;
    if (effects_.free_workers(slots_.size()) == 0 || must_wait_for_memory()) return;
    if (!effects_.respawn(i)) return;      // no descriptors left: at the next tick
    slots_[i] = Slot{};
    note_workers();
  }
}

}  // namespace pf::ctl
