// PYTEST_FAST_WORKER_HANG_TIMEOUT: where a test that runs for long is. It goes on; nothing is ended.
#include <csignal>
#include <cstdio>
#include <string>

#include <pfcore/stack_signal.hpp>

#include <pfctl/run_state.hpp>

namespace pf::ctl {
namespace {

std::string dump_heading(const std::string& worker, const std::string& nodeid, double seconds) {
  char time[32];
  std::snprintf(time, sizeof time, "%g", seconds);
  return "worker '" + worker + "' has been running '" + nodeid + "' for " + time + " s; where its threads are:";
}

}  // namespace

// Once for each full interval that an item has run, as faulthandler's repeated dump has it.
void RunState::advance_hang_dumps(TimePoint now) {
  const double every_s = setup_.options.hang_dump_s;
  if (every_s <= 0 || stage_ != Stage::running || !board_ || cancel_ != Cancel::none) return;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    const bool there = slot.in_controller ? !controller_gone_ : !slot.exited;
    if (!there || slot.state != SlotState::live) continue;
    const core::SlotView view = board_->slot(i);
    const bool runs = view.state == core::WorkerState::running && view.item < selected_.nodeids.size() && view.since_ns != 0;
    if (!runs) continue;
    if (slot.dumped_item != view.item) {
      slot.dumped_item = view.item;
      slot.dumps = 0;
    }
    const double ran_s = std::chrono::duration<double>(now - TimePoint(std::chrono::nanoseconds(view.since_ns))).count();
    const auto due = static_cast<std::int64_t>(ran_s / every_s);
    if (due <= slot.dumps) continue;
    slot.dumps = due;
    const std::string text = dump_heading(worker_name(i), selected_.nodeids[view.item], static_cast<double>(due) * every_s);
    effects_.to_client(core::encode(core::PhaseEvent{"run", text, 0}));
    effects_.signal_process(slot.pid, core::stack_signal());
  }
}

}  // namespace pf::ctl
