#include <pfctl/run.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include <pfcore/frame_socket.hpp>

#include <pfctl/process_info.hpp>
#include <pfctl/worker_count.hpp>

#include "run_plan.hpp"
#include "worker_link.hpp"

namespace pf::ctl {
namespace {

constexpr std::uint32_t k_fork_attempts = 3;
constexpr std::int64_t k_exit_not_started = 72;

double ms_between(TimePoint from, TimePoint to) { return std::chrono::duration<double, std::milli>(to - from).count(); }

core::Result<core::UniqueFd> duplicate(const core::UniqueFd& fd) {
  core::UniqueFd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 4));
  if (!copy.valid()) return core::Error::from_errno("duplicate a descriptor of the client", errno);
  return copy;
}

std::string more_of(std::size_t threads) { return threads > 1 ? " and " + std::to_string(threads - 1) + " more" : ""; }

core::ErrorEvent error_event(std::string code, std::string message, std::string hint, std::int64_t exit_code) {
  core::ErrorEvent event;
  event.code = std::move(code);
  event.message = std::move(message);
  event.hint = std::move(hint);
  event.exit_code = exit_code;
  return event;
}

}  // namespace

Run::Run(Context context, std::int64_t id, core::RunRequest request, std::vector<core::UniqueFd> streams, RunClient& client)
    : context_(std::move(context)),
      id_(id),
      request_(std::move(request)),
      streams_(std::move(streams)),
      client_(&client),
      received_(context_.loop.now()),
      timer_(context_.loop, [this] { tick(); }),
      pace_timer_(context_.loop, [this] { end_read_pause(); }) {}

Run::~Run() {
  *self_ = nullptr;
  context_.budget.note(id_, 0);
  context_.pool.release(id_);
}

void Run::start() { context_.pool.acquire(id_, *this); }

// ---------------------------------------------------------------- a generation, and the fork

void Run::on_phase(std::string_view name, const std::string& detail) {
  if (name == "boot") booted_ = true;
  core::PhaseEvent event;
  event.name = name;
  event.detail = detail;
  event.elapsed_ms = ms_between(received_, context_.loop.now());
  to_client(core::encode(event));
}

void Run::on_generation(Generation& generation) {
  generation_id_ = generation.id();
  if (const std::string note = generation.checkpoint_note(); booted_ && request_.options.verbose_plan && !note.empty()) {
    to_client(core::encode(core::PlanEvent{"boot", note}));
  }
  choose_start_method(generation);
  if (auto forked = fork_on(generation); !forked) {
    end_early(error_event("fork-failed", forked.error().message, "see `ulimit -n`", k_exit_not_started));
  }
}

// A fork has the thread that forks and no other: what the others held stays held.
void Run::choose_start_method(const Generation& generation) {
  std::string& method = request_.options.start_method;
  const bool automatic = method == "auto";
  if (automatic) method = generation.threads().empty() ? "forkserver" : "spawn";
  if (generation.threads().empty() || (method == "spawn" && !automatic)) return;
  const std::string thread = "importing the suite started the thread " + generation.threads().front() + more_of(generation.threads().size());
  if (automatic) on_phase("run", "workers are spawned: " + thread);
  else if (booted_) on_phase("run", thread + ", which no forked worker has (--start-method auto or spawn)");
}

core::Status Run::fork_on(Generation& generation) {
  auto sockets = core::make_socket_pair();
  if (!sockets) return std::move(sockets).error();
  std::vector<core::UniqueFd> fds;
  fds.push_back(std::move(sockets->second));
  for (const core::UniqueFd& stream : streams_) {
    auto copy = duplicate(stream);
    if (!copy) return std::move(copy).error();
    fds.push_back(std::move(*copy));
  }
  ChannelOptions options;
  options.max_frame_bytes = core::k_frame_cap_bytes;
  ChannelHandler& handler = *this;
  controller_ = std::make_unique<Channel>(context_.loop, handler, options);
  if (auto opened = controller_->open(std::move(sockets->first)); !opened) return opened;
  // The controller may be quicker than the announcement of its pid: it is heard from then on.
  controller_->pause_reading();

  RunSetup setup;
  setup.id = id_;
  setup.options = request_.options;
  setup.default_workers = context_.settings.default_workers;
  if (!request_.options.measure.empty()) setup.processors = static_cast<std::size_t>(default_worker_count());
  setup.received = received_;
  setup.times = context_.settings.times;
  if (request_.options.boot_timeout_s > 0) setup.times.select = milliseconds_of(request_.options.boot_timeout_s);
  fork_sent_ = context_.loop.now();
  const double waited_ms = ms_between(received_, fork_sent_);
  if (booted_) setup.boot_ms = ms_between(generation.boot_started(), generation.boot_ended());
  setup.wait_ms = std::max(0.0, waited_ms - setup.boot_ms);
  RunEffects& effects = *this;
  state_ = std::make_unique<RunState>(std::move(setup), effects, fork_sent_);

  core::ForkRequest fork;
  fork.run_id = id_;
  fork.request = request_;
  generation.fork(fork, std::move(fds));
  ++fork_attempts_;
  timer_.start(context_.settings.times.progress, context_.settings.times.progress);
  return core::ok_status();
}

void Run::on_no_generation(const core::ErrorEvent& why) { end_early(why); }

void Run::on_forked(const core::Forked& forked) {
  if (!state_) return;
  streams_.clear();
  if (forked.error.empty() && forked.pid > 1) state_->on_forked(forked.pid, context_.loop.now());
  else state_->on_fork_failed(forked.error.empty() ? "the forkserver gave no process" : forked.error, context_.loop.now());
  if (controller_) controller_->resume_reading();
  after_event();
}

void Run::on_generation_gone() {
  if (!state_ || state_->stage() != RunState::Stage::forking) return;   // the controller lives on and is reaped here
  timer_.stop();
  controller_->close();
  if (state_->cancelled()) {
    cancel_before_fork();
    return;
  }
  if (fork_attempts_ >= k_fork_attempts) {
    const std::string times = std::to_string(fork_attempts_);
    end_early(error_event("forkserver-died", "start the run: the forkserver died " + times + " times before it could fork",
                          "`pfast logs` shows what it printed", k_exit_not_started));
    return;
  }
  generation_id_.reset();
  // This call may come from the generation's own end: choose again when it has left the stack.
  context_.pool.acquire(id_, *this);
}

void Run::end_early(const core::ErrorEvent& why) {
  to_client(core::encode(why));
  finish();
}

// ---------------------------------------------------------------- the client's wishes

void Run::cancel_before_fork() {
  core::FinishedEvent event;
  event.exit_code = 2;
  event.reason = "KeyboardInterrupt";
  event.wait_ms = ms_between(received_, context_.loop.now());
  to_client(core::encode(event));
  finish();
}

void Run::interrupt() {
  if (done_) return;
  if (!state_) {
    cancel_before_fork();
    return;
  }
  state_->on_interrupt(context_.loop.now());
  after_event();
}

void Run::kill() {
  if (done_) return;
  if (!state_) {
    cancel_before_fork();
    return;
  }
  state_->on_kill(context_.loop.now());
  after_event();
}

void Run::suspend() {
  if (state_ && !done_) state_->on_suspend();
  if (!done_) to_client(core::encode(core::PhaseEvent{"suspended", {}, 0}));   // the client stops once nothing more is printed
}

void Run::resume() {
  if (state_ && !done_) state_->on_resume(context_.loop.now());
}

void Run::client_gone() {
  client_ = nullptr;
  if (state_ && !done_) {
    state_->on_client_gone(context_.loop.now());
    after_event();
  } else {
    kill();
  }
  if (!done_) update_pressure();
}

// ---------------------------------------------------------------- processes

void Run::on_child_exited(std::int64_t pid, int status) {
  if (!state_ || state_->controller_pid() != pid) return;
  if (controller_) controller_->drain();
  if (looking_) {
    held_.push_back([this, pid, status] { on_child_exited(pid, status); });
    return;
  }
  state_->on_controller_exited(status, context_.loop.now());
  after_event();
}

bool Run::on_orphan_exited(std::int64_t pid, int status) {
  if (!state_) return false;
  if (state_->controller_pid() == pid) {
    on_child_exited(pid, status);
    return true;
  }
  for (std::size_t slot = 0; slot < workers_.size(); ++slot) drain_worker(static_cast<std::int64_t>(slot));
  const bool mine = state_->on_orphan_exited(pid, status, context_.loop.now());
  if (mine) after_event();
  return mine;
}

bool Run::owns_session(std::int64_t session) const {
  if (!state_) return false;
  const std::vector<std::int64_t>& pids = state_->pids();
  return std::find(pids.begin(), pids.end(), session) != pids.end();
}

core::RunStatus Run::status(TimePoint now) const {
  if (state_) return state_->status(now);
  core::RunStatus status;
  status.id = id_;
  return status;
}

void Run::signal_process(std::int64_t pid, int signal_number) {
  if (pid > 1 && pid != ::getpid()) ::kill(static_cast<pid_t>(pid), signal_number);
}

void Run::signal_group(std::int64_t pid, int signal_number) {
  if (pid > 1 && pid != ::getpgrp()) ::kill(-static_cast<pid_t>(pid), signal_number);
}

RunEffects::Process Run::look_at(std::int64_t pid) {
  const auto entry = process_state(pid);
  if (!entry || entry->state == 'X') return Process::gone;
  if (entry->state == 'Z') return Process::zombie;
  return entry->state == 'T' ? Process::stopped : Process::alive;
}

// ---------------------------------------------------------------- time and pressure

void Run::tick() {
  const TimePoint now = context_.loop.now();
  if (state_->stage() == RunState::Stage::forking && generation_id_ && forkserver_is_lost(now)) {
    on_phase("boot", "the forkserver did not answer");
    context_.pool.give_up(*generation_id_);
    fork_sent_ = now;
    return;
  }
  if (looking_) return;                    // its session is over, and its processes leave: the verdict is a matter of that look
  state_->tick(now, paused_);
  after_event();
}

bool Run::forkserver_is_lost(TimePoint now) {
  if (now - fork_sent_ >= context_.settings.times.fork) return true;
  if (now - fork_sent_ < context_.settings.times.silence) return false;
  return look_at(context_.pool.pid_of(*generation_id_)) == Process::stopped;
}

void Run::after_event() {
  if (state_ && state_->answered()) remember();
  if (state_ && state_->done()) finish();
}

// The client has its answer, and may ask for the next run while this one's processes are still leaving.
void Run::remember() {
  if (!state_ || state_->measurements().empty() || std::exchange(remembered_, true)) return;
  const core::Selected& selected = state_->selected();
  HistoryStore* store = context_.histories.find(history_path(selected));
  if (store == nullptr) return;
  const auto day = std::chrono::duration_cast<std::chrono::days>(std::chrono::system_clock::now().time_since_epoch()).count();
  state_->measurements().learn(store->history(), selected.nodeids, selected.groups, static_cast<std::uint32_t>(day));
  store->touch();
}

void Run::finish() {
  if (std::exchange(done_, true)) return;
  timer_.stop();
  remember();
  const bool too_narrow = state_ && state_->selected().outside_scope;
  if (controller_) controller_->close();
  for (const auto& worker : workers_) {
    if (worker) worker->channel.close();
  }
  streams_.clear();
  context_.pool.release(id_);
  if (too_narrow && generation_id_) context_.pool.widen(*generation_id_, request_);
  context_.loop.defer(context_.on_done);
}

}  // namespace pf::ctl
