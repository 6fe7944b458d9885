#include "worker.hpp"

#include <pfcore/run_tally.hpp>

#include <algorithm>
#include <utility>

#include "process_state.hpp"

namespace pf::exec {
namespace {

core::ItemResult& current_item() {
  static core::ItemResult item;
  return item;
}

// An item, or the next try of it, begins. The lists keep their memory.
void renew(core::ItemResult& result, std::uint32_t item) {
  core::ItemResult fresh;
  fresh.phases = std::move(result.phases);
  fresh.phases.clear();
  fresh.opaque = std::move(result.opaque);
  fresh.opaque.clear();
  fresh.item = item;
  result = std::move(fresh);
}

struct Totals {
  std::int64_t ran = 0;
  double busy_s = 0;
  double cpu_s = 0;
  double queued_s = 0;
  double begun_s = 0;            // the first claim
  double ended_s = 0;            // the last item's end
};

// Clock readings at an item's beginning; a part's, and a try's.
struct Marks {
  double item_s = 0;
  double item_cpu_s = 0;
  double item_queued_s = 0;
  double try_s = 0;
  double phase_cpu_s = 0;
  double phase_queued_s = 0;
};

Marks& marks() {
  static Marks instance;
  return instance;
}

double queued_if_measured() { return ProcessState::current().measures ? queued_s() : 0; }

Totals& totals() {
  static Totals instance;
  return instance;
}

void note_begun(double now_s) noexcept {
  if (totals().begun_s == 0) totals().begun_s = totals().ended_s = now_s;
}

// An inline run (-n 0) has no channel of its own: its results go the controller's way.
void send_result_frame(const std::string& payload) {
  ProcessState& state = ProcessState::current();
  core::FrameSocket& socket = state.results.valid() ? state.results : state.daemon;
  if (!socket.send(payload)) leave(1);
}

}  // namespace

std::optional<std::uint32_t> worker_reserve() noexcept {
  note_begun(monotonic_s());
  ProcessState& state = ProcessState::current();
  return state.board->board().reserve(state.slot);
}

bool worker_acquire() noexcept {
  ProcessState& state = ProcessState::current();
  core::RunBoard& board = state.board->board();
  const std::uint32_t releases = board.releases();
  if (board.acquire(state.slot)) return true;
  board.wait_for_seat(releases);
  return false;
}

std::optional<core::Claim> worker_claim() noexcept {
  ProcessState& state = ProcessState::current();
  return state.board->board().claim(state.slot, monotonic_ns());
}

bool run_stopped() noexcept {
  ProcessState& state = ProcessState::current();
  return state.board != nullptr && state.board->board().stopped();
}

void stop_run() noexcept {
  ProcessState& state = ProcessState::current();
  if (state.board != nullptr) state.board->board().stop();
}

void worker_phase(core::ItemPhase phase) noexcept {
  ProcessState& state = ProcessState::current();
  if (state.board != nullptr) state.board->board().set_phase(state.slot, phase);
}

std::uint32_t begin_item(std::uint32_t item) {
  const ProcessState& state = ProcessState::current();
  renew(current_item(), item);
  ProcessState::current().last_words.note_sections({});
  // Without a board nothing outlives a try but this process.
  if (state.board != nullptr) current_item().attempt = std::max(state.board->board().tries(item), 1u);
  Marks& now = marks();
  now.item_s = now.try_s = monotonic_s();
  now.item_cpu_s = now.phase_cpu_s = cpu_s();
  now.item_queued_s = now.phase_queued_s = queued_if_measured();
  note_begun(now.item_s);
  return current_item().attempt;
}

std::uint32_t begin_try(double delay_s) {
  core::ItemResult& item = current_item();
  item.outcome = "rerun";
  // To the controller's plugins the try is one report: the failure that it is repeated for.
  if (item.opaque.size() == item.phases.size()) {
    const auto goes_on = std::find_if(item.phases.begin(), item.phases.end(), [](const core::PhaseReport& phase) { return phase.outcome == "rerun"; });
    if (goes_on != item.phases.end()) item.opaque = {item.opaque[static_cast<std::size_t>(goes_on - item.phases.begin())]};
  }
  if (ProcessState::current().measures) item.busy_s = monotonic_s() - marks().try_s;
  send_result_frame(core::encode(item));
  marks().try_s = monotonic_s();
  const std::uint32_t next = item.attempt + 1;
  ProcessState& state = ProcessState::current();
  renew(item, item.item);
  item.attempt = next;
  if (state.board != nullptr) item.attempt = state.board->board().begin_try(state.slot, monotonic_ns() + static_cast<std::uint64_t>(delay_s * 1e9));
  return item.attempt;
}

void add_phase(core::PhaseReport phase, std::string opaque) {
  const double cpu = cpu_s();
  phase.cpu_s = cpu - std::exchange(marks().phase_cpu_s, cpu);
  const double queued = queued_if_measured();
  phase.queued_s = queued - std::exchange(marks().phase_queued_s, queued);
  current_item().phases.push_back(std::move(phase));
  if (!opaque.empty()) current_item().opaque.push_back(std::move(opaque));
}

void add_opaque(std::string opaque) { current_item().opaque.push_back(std::move(opaque)); }

std::size_t opaque_reports() noexcept { return current_item().opaque.size(); }

void drop_phase() {
  core::ItemResult& item = current_item();
  if (!item.phases.empty() && item.phases.size() == item.opaque.size()) item.opaque.pop_back();
  if (!item.phases.empty()) item.phases.pop_back();
}

void add_fixture(core::FixtureReport fixture) { current_item().fixtures.push_back(std::move(fixture)); }

void add_profile(std::vector<std::string> lines) { current_item().profile = std::move(lines); }

void finish_item(std::string testcase) {
  Totals& all = totals();
  all.ended_s = monotonic_s();
  all.busy_s += all.ended_s - marks().item_s;
  all.cpu_s += cpu_s() - marks().item_cpu_s;
  all.queued_s += queued_if_measured() - marks().item_queued_s;
  ++all.ran;
  if (ProcessState::current().measures) current_item().busy_s = all.ended_s - marks().try_s;
  current_item().outcome = core::item_outcome(current_item().phases);
  ProcessState& state = ProcessState::current();
  current_item().testcase = std::move(testcase);
  send_result_frame(core::encode(current_item()));
  if (state.board != nullptr) state.board->board().finish_item(state.slot);
}

void send_warning(const core::WarningReport& warning) { send_result_frame(core::encode(warning)); }

void send_worker_finished(core::WorkerFinished message) {
  const ProcessState& state = ProcessState::current();
  message.ran = totals().ran;
  message.busy_s = totals().busy_s;
  message.cpu_s = totals().cpu_s;
  message.wall_s = monotonic_s() - state.started_s;
  message.begun_s = totals().begun_s;
  message.ended_s = totals().ended_s;
  message.queued_s = totals().queued_s;
  send_result_frame(core::encode(message));
}

void finish_inline_run() {
  const ProcessState& state = ProcessState::current();
  if (state.measures && state.board == nullptr && totals().ran > 0) send_worker_finished({});
}

}  // namespace pf::exec
