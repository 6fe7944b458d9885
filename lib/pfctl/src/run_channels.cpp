// A run's conversations: the controller's channel, the workers' channels, and the client's pressure on both.
#include <algorithm>
#include <tuple>
#include <utility>

#include <pfcore/frame_socket.hpp>

#include <pfctl/machine_memory.hpp>
#include <pfctl/run.hpp>

#include "run_plan.hpp"
#include "worker_link.hpp"

namespace pf::ctl {
namespace {

// Past the first mark results stay in their sockets until the queue is below the second one.
constexpr std::size_t k_pause_bytes = 8u << 20;
constexpr std::size_t k_resume_bytes = 2u << 20;
constexpr Milliseconds k_longest_unseen{100};

template <typename T, typename Handle>
void with(const core::Value& value, Handle handle) {
  auto message = core::decode_as<T>(value);
  if (message) handle(std::move(*message));
}

}  // namespace

// ---------------------------------------------------------------- towards the client and the controller

void Run::to_client(std::string_view payload) {
  if (client_ == nullptr) return;
  client_->send_event(payload);
  update_pressure();
}

void Run::result_to_client(std::string_view payload) {
  if (client_ == nullptr) return;
  client_->send_result(payload);
  update_pressure();
}

void Run::progress_to_client(std::string_view payload) {
  if (client_ != nullptr) client_->send_progress(payload);
}

void Run::to_controller(std::string_view payload) {
  if (!controller_) return;
  controller_->send(payload);
  update_pressure();
}

void Run::update_pressure() {
  if (done_) return;
  const std::size_t client_bytes = client_ != nullptr ? client_->queued_bytes() : 0;
  const std::size_t controller_bytes = controller_ ? controller_->queued_bytes() : 0;
  const std::size_t queued = std::max(client_bytes, controller_bytes);
  const bool pause = paused_ ? queued > k_resume_bytes : queued > k_pause_bytes;
  if (pause == paused_) return;
  paused_ = pause;
  const auto apply = [pause](Channel& channel) { pause ? channel.pause_reading() : channel.resume_reading(); };
  for (const auto& worker : workers_) {
    if (worker) apply(worker->channel);
  }
  // An inline run's results come this way; otherwise the controller says little, and what it says must be heard.
  const bool inline_run = state_ && state_->stage() == RunState::Stage::inline_run;
  if (controller_ && (inline_run || !pause)) apply(*controller_);
}

// ---------------------------------------------------------------- workers

core::Result<core::UniqueFd> Run::open_worker(std::size_t slot) {
  auto sockets = core::make_socket_pair();
  if (!sockets) return std::move(sockets).error();
  ChannelOptions options;
  options.max_frame_bytes = context_.settings.result_frame_bytes;
  auto link = std::make_unique<WorkerLink>(*this, slot, options);
  if (auto opened = link->channel.open(std::move(sockets->first)); !opened) return std::move(opened).error();
  if (paused_) link->channel.pause_reading();
  if (workers_.size() <= slot) workers_.resize(slot + 1);
  // The old link may be on the stack (it was drained): it goes at the end of this turn.
  std::shared_ptr<WorkerLink> old(std::move(workers_[slot]));
  if (old) {
    old->channel.close();
    context_.loop.defer([old] {});
  }
  workers_[slot] = std::move(link);
  return std::move(sockets->second);
}

// Of a suite with a cache: what earlier runs measured.
const History* Run::known_history(const core::Selected& selected) {
  if (selected.nodeids.size() < 2) return nullptr;
  HistoryStore* store = context_.histories.find(history_path(selected));
  return store != nullptr ? &store->history() : nullptr;
}

core::Result<core::RunBoard> Run::start_workers(const core::Selected& selected, std::size_t workers, std::size_t at_once,
                                                bool in_controller) {
  std::vector<core::UniqueFd> ends;
  while (ends.size() < at_once) {
    auto end = open_worker(ends.size());
    if (!end && ends.empty()) return std::move(end).error();
    if (!end) break;                       // no descriptors left: fewer workers, as CollectedEvent says
    ends.push_back(std::move(*end));
  }
  if (ends.size() < at_once) workers = ends.size();
  reads_in_turns_ = selected.maxfail == 0;   // otherwise the next result may be the one that ends the run
  const core::Plan plan = plan_run(selected, request_.options.dist, workers, known_history(selected));
  auto memory = BoardMemory::create(core::RunBoard::size_bytes(plan, workers));
  if (!memory) return std::move(memory).error();
  board_ = std::move(*memory);
  auto board = core::RunBoard::create(board_.bytes(), plan, workers);
  if (!board) return std::move(board).error();
  auto shared = board_.share();
  if (!shared) return std::move(shared).error();

  core::Assign assign;
  assign.workers = static_cast<std::int64_t>(workers);
  assign.in_controller = in_controller;
  assign.opaque = request_.options.reporter == "pytest" || selected.wants_reports || request_.options.full_report;
  const std::size_t first = std::min(ends.size(), core::k_max_frame_fds - 1);
  std::vector<core::UniqueFd> fds;
  fds.push_back(std::move(*shared));
  for (std::size_t slot = 0; slot < first; ++slot) fds.push_back(std::move(ends[slot]));
  controller_->send(core::encode(assign), std::move(fds));
  for (std::size_t slot = first; slot < ends.size(); ++slot) {
    std::vector<core::UniqueFd> one;
    one.push_back(std::move(ends[slot]));
    controller_->send(core::encode(core::SpawnWorker{static_cast<std::int64_t>(slot)}), std::move(one));
  }
  return board;
}

std::string Run::memory_shortage() {
  constexpr std::int64_t k_mib = 1 << 20;
  const std::int64_t floor = memory_floor_bytes(request_.options.memory_floor_mib);
  const auto free = floor > 0 ? free_memory_bytes() : std::nullopt;
  if (!free || *free >= floor) return {};
  return std::to_string(*free / k_mib) + " MiB of memory are free, and no worker is begun below " + std::to_string(floor / k_mib) + " (memory-floor)";
}

std::int64_t Run::oom_kills() { return ctl::oom_kills(); }

bool Run::respawn(std::size_t slot) {
  auto end = open_worker(slot);
  if (!end) return false;
  std::vector<core::UniqueFd> fds;
  fds.push_back(std::move(*end));
  controller_->send(core::encode(core::SpawnWorker{static_cast<std::int64_t>(slot)}), std::move(fds));
  return true;
}

void Run::drain_worker(std::int64_t slot) {
  if (slot < 0 || static_cast<std::size_t>(slot) >= workers_.size()) return;
  if (auto& worker = workers_[static_cast<std::size_t>(slot)]) worker->channel.drain();
}

void Run::on_worker_frame(std::size_t slot, std::string_view payload) {
  if (!state_ || done_) return;
  const TimePoint now = context_.loop.now();
  auto document = core::decode_pickle(payload, core::Limits::result(context_.settings.result_frame_bytes), core::Texts::borrowed);
  if (!document) {
    context_.log.line("run " + std::to_string(id_) + ": worker " + worker_name(slot) + ": " + document.error().message);
    workers_[slot]->channel.close();
    state_->on_worker_silent(slot, true, now);
    return;
  }
  const core::Value& root = document->root();
  const std::string_view type = core::message_type(root);
  state_->on_worker_frame(payload.size());
  if (type == core::ItemResult::k_type) {
    pace_.on_result(now);
    with<core::ItemResult>(root, [&](core::ItemResult result) { state_->on_result(slot, std::move(result), now); });
  } else if (type == core::WarningReport::k_type) {
    with<core::WarningReport>(root, [&](const core::WarningReport& warning) { state_->on_warning(slot, warning); });
  } else if (type == core::WorkerFinished::k_type) {
    with<core::WorkerFinished>(root, [&](const core::WorkerFinished& finished) { state_->on_worker_finished(slot, finished, now); });
  }
  after_event();
}

// The worker's death is heard of through the controller, and what it said last is drained then: nothing waits for this but results.
void Run::on_worker_read(Channel& channel) {
  if (!reads_in_turns_ || done_ || !pace_.is_stream()) return;
  channel.pause_reading();
  if (!pace_timer_.active()) pace_timer_.start(ReadPace::k_window);
}

void Run::end_read_pause() {
  pace_.begin_window(context_.loop.now());
  for (const auto& worker : workers_) {
    if (worker && !paused_) worker->channel.resume_reading();
  }
}

void Run::on_worker_end(std::size_t slot, const core::Error& why) {
  if (!state_ || done_) return;
  state_->on_worker_silent(slot, why.code != core::ErrorCode::closed, context_.loop.now());
  after_event();
}

// ---------------------------------------------------------------- the controller

void Run::on_frame(Channel& channel, std::string_view payload) {
  if (!state_ || done_) return;
  auto document = core::decode_pickle(payload, core::Limits::result(), core::Texts::borrowed);
  if (!document) {
    context_.log.line("run " + std::to_string(id_) + ": the controller sent a frame that cannot be read: " + document.error().message);
    channel.close();
    state_->on_controller_silent(context_.loop.now());
    return;
  }
  on_controller_message(core::message_type(document->root()), document->root());
  after_event();
}

void Run::on_controller_message(std::string_view type, const core::Value& root) {
  const TimePoint now = context_.loop.now();
  // It may have sent this before it heard of its pid's announcement, but never before it was forked.
  if (type == core::Selected::k_type) {
    with<core::Selected>(root, [&](core::Selected selected) { state_->on_selected(std::move(selected), now); });
  } else if (type == core::ItemResult::k_type) {
    with<core::ItemResult>(root, [&](core::ItemResult result) { state_->on_inline_result(std::move(result), now); });
  } else if (type == core::WarningReport::k_type) {
    with<core::WarningReport>(root, [&](const core::WarningReport& warning) { state_->on_controller_warning(warning); });
  } else if (type == core::WorkerFinished::k_type) {
    with<core::WorkerFinished>(root, [&](const core::WorkerFinished& finished) { state_->on_inline_finished(finished); });
  } else if (type == core::WorkerStarted::k_type) {
    with<core::WorkerStarted>(root, [&](const core::WorkerStarted& started) { state_->on_worker_started(started.slot, started.pid, now); });
  } else if (type == core::WorkerExited::k_type) {
    with<core::WorkerExited>(root, [&](core::WorkerExited exited) {
      drain_worker(exited.slot);
      const auto [slot, pid, status] = std::tuple(exited.slot, exited.pid, static_cast<int>(exited.status));
      state_->note_last_words(std::move(exited));
      state_->on_worker_exited(slot, pid, status, now);
    });
  } else if (type == core::ControllerFinished::k_type) {
    with<core::ControllerFinished>(root, [&](core::ControllerFinished finished) { on_session_over(std::move(finished)); });
  }
}

// The run ends on the generation that it began with: whoever edited meanwhile is told. The verdict, and what the controller
// does after its session, wait for a look that takes longer.
void Run::on_session_over(core::ControllerFinished finished) {
  // Nobody edits within a run that is shorter than this, and it is not to wait for a look at its files.
  if (client_ == nullptr || !generation_id_ || context_.loop.now() - fork_sent_ <= k_longest_unseen) {
    state_->on_controller_finished(finished, context_.loop.now());
    return;
  }
  looking_ = true;
  context_.pool.look_for_change(*generation_id_, [self = self_, finished = std::move(finished)](const std::optional<std::string>& change) {
    if (*self != nullptr) (*self)->on_looked(finished, change);
  });
}

void Run::on_looked(const core::ControllerFinished& finished, const std::optional<std::string>& change) {
  looking_ = false;
  if (done_) return;
  if (change) on_phase("changed", *change);
  state_->on_controller_finished(finished, context_.loop.now());
  for (const std::function<void()>& event : std::exchange(held_, {})) event();
  after_event();
}

void Run::on_end(Channel& channel, const core::Error& why) {
  if (!state_ || done_) return;
  if (looking_) {
    held_.push_back([this, &channel, why] { on_end(channel, why); });
    return;
  }
  state_->on_controller_silent(context_.loop.now());
  after_event();
}

}  // namespace pf::ctl
