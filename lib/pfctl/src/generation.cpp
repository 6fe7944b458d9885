#include <pfctl/generation.hpp>

#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <utility>

#include <pfctl/process_info.hpp>
#include <pfctl/run_state.hpp>

namespace pf::ctl {
namespace {

constexpr Milliseconds k_dump_grace{1000};
constexpr Milliseconds k_leave_grace{2000};
constexpr int k_looks = 3;                 // in a row, before a stopped process is given up
constexpr std::int64_t k_exit_boot_hung = 77;

std::string seconds_text(Milliseconds time) {
  char text[32];
  std::snprintf(text, sizeof text, "%g s", std::chrono::duration<double>(time).count());
  return text;
}

}  // namespace

std::string_view to_string(GenerationState state) noexcept {
  switch (state) {
    case GenerationState::booting: return "booting";
    case GenerationState::ready: return "ready";
    case GenerationState::stale: return "stale";
    case GenerationState::failed: return "failed";
    case GenerationState::gone: break;
  }
  return "gone";
}

Generation::Generation(Loop& loop, DaemonLog& log, GenerationListener& listener, std::int64_t id, BootPlan plan)
    : loop_(loop),
      log_(log),
      listener_(listener),
      id_(id),
      plan_(std::move(plan)),
      key_(generation_key(plan_.spec.env, plan_.argv, plan_.spec.cwd, plan_.program)),
      deadline_(loop, [this] { on_deadline(); }),
      stop_watch_(loop, [this] { look_whether_stopped(); }),
      resume_limit_(loop, [this] { on_not_resumed(); }),
      boot_started_(loop.now()),
      last_used_(boot_started_) {}

Generation::~Generation() { *self_ = nullptr; }

core::Status Generation::start() {
  boot_started_ = loop_.now();
  if (plan_.resume && resume()) return core::ok_status();
  return begin();
}

core::Status Generation::begin() {
  boot_clock_ = std::chrono::system_clock::now();
  auto process = ForkserverProcess::spawn(loop_, *this, log_, plan_.spec);
  if (!process) {
    state_ = GenerationState::failed;
    reason_ = process.error().message;
    failure_.code = "boot-failed";
    failure_.message = process.error().message;
    failure_.hint = "`pfast doctor` looks at the installation";
    failure_.exit_code = k_exit_no_boot;
    return std::move(process).error();
  }
  process_ = std::move(*process);
  send_order();
  deadline_.start(plan_.deadline);
  stop_watch_.start(k_stop_look, k_stop_look);
  log_.line("generation " + std::to_string(id_) + ": boots as process " + std::to_string(pid()) + " (" + plan_.why + ")");
  return core::ok_status();
}

void Generation::send_order() {
  core::BootRequest request;
  request.argv = plan_.argv;
  request.scope = plan_.scope.paths;
  request.scope_is_whole = plan_.scope.whole;
  request.cwd = plan_.spec.cwd;
  request.program = plan_.program;
  request.umask = plan_.umask;
  request.spare = !plan_.single_use;
  std::optional<core::LadderRequest> ladder;
  if (plan_.checkpoints > 0) ladder.emplace().hot = plan_.hot;
  process_->boot(request, ladder);
}

void Generation::on_boot_ready(core::BootReady ready) {
  if (state_ != GenerationState::booting || boot_failed_) return;
  anew_.reset();
  deadline_.stop();
  stop_watch_.stop();
  boot_ended_ = last_used_ = loop_.now();
  items_ = ready.nodeids.size();
  note_image(ready);
  collect_errors_ = ready.collect_errors;
  process_->read_output();
  if (broken()) boot_output_ = process_->output();
  inputs_ = std::make_shared<const InputSet>(InputSet::from(std::move(ready), plan_.spec.env, plan_.root, boot_clock_));
  state_ = GenerationState::ready;
  log_.line("generation " + std::to_string(id_) + ": ready with " + std::to_string(items_) + " items" +
            (broken() ? ", " + std::to_string(collect_errors_) + " errors while collecting" : std::string()));
  listener_.on_generation_ready(*this);
}

void Generation::on_boot_failed(core::BootFailed failed) {
  if (state_ != GenerationState::booting || boot_failed_) return;
  // pytest's own text may still be on its way: the process' end brings all of it.
  boot_failed_ = std::move(failed);
  process_->dismiss(k_dump_grace);
}

void Generation::on_deadline() {
  if (state_ != GenerationState::booting) return;
  if (!dumped_) {
    dumped_ = true;
    process_->dump_stacks();
    deadline_.start(k_dump_grace);
    return;
  }
  process_->kill();
}

void Generation::look_whether_stopped() {
  const auto process = pid() > 0 ? process_state(pid()) : std::nullopt;
  looks_stopped_ = process && process->state == 'T' ? looks_stopped_ + 1 : 0;
  if (looks_stopped_ == k_looks) process_->kill();
}

void Generation::fail(std::string code, std::string message, std::string hint, std::int64_t exit_code) {
  state_ = GenerationState::failed;
  boot_ended_ = loop_.now();
  reason_ = message.empty() ? code : message;
  failure_.code = std::move(code);
  failure_.message = std::move(message);
  failure_.hint = std::move(hint);
  failure_.exit_code = exit_code;
  if (process_) failure_.output = process_->output();
  log_.line("generation " + std::to_string(id_) + ": failed: " + reason_);
  listener_.on_generation_failed(*this);
}

void Generation::on_forkserver_gone(int status) {
  deadline_.stop();
  stop_watch_.stop();
  const std::string end = looks_stopped_ >= k_looks ? "it was stopped by a signal and did not go on" : describe_wait_status(status);
  if (state_ == GenerationState::booting) {
    if (anew_ && !dismissed_ && !dumped_ && !given_up_) {
      begin_anew(end);
      return;
    }
    if (boot_failed_) {
      const std::string message = boot_failed_->message;
      const std::int64_t exit_code = boot_failed_->exit_code;
      inputs_ = std::make_shared<const InputSet>(InputSet::from(std::move(*boot_failed_), plan_.root, boot_clock_));
      // A code of 0 would be a green answer to a run that did not happen.
      fail("collection-failed", message, "", exit_code == 0 ? k_exit_no_boot : exit_code);
    } else if (dumped_) {
      fail("boot-hung", "collect the suite within " + seconds_text(plan_.deadline),
           "the stacks above show what it was doing; --boot-timeout gives it longer", k_exit_boot_hung);
    } else {
      killed_ = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
      fail("boot-died", "collect the suite: the process that imported it ended (" + end + ")",
           "`pytest --collect-only` runs the same imports without pfast", k_exit_no_boot);
    }
    return;
  }
  if (state_ == GenerationState::failed || state_ == GenerationState::gone) return;
  state_ = GenerationState::gone;
  reason_ = "the forkserver ended (" + end + ")";
  log_.line("generation " + std::to_string(id_) + ": " + reason_);
  listener_.on_generation_gone(*this);
}

void Generation::on_forked(const core::Forked& forked) { listener_.on_forked(*this, forked); }
void Generation::on_child_exited(const core::ChildExited& exited) { listener_.on_child_exited(*this, exited); }

void Generation::fork(const core::ForkRequest& request, std::vector<core::UniqueFd> fds) {
  if (process_) process_->fork(request, std::move(fds));
}

void Generation::mark_fresh() noexcept {
  if (state_ != GenerationState::stale || expired_) return;
  state_ = GenerationState::ready;
  reason_.clear();
}

void Generation::expire(std::string reason) {
  mark_stale(std::move(reason));
  expired_ = true;
}

void Generation::mark_stale(std::string reason) {
  if (expired_) return;
  if (state_ == GenerationState::ready || state_ == GenerationState::stale) state_ = GenerationState::stale;
  reason_ = std::move(reason);
}

void Generation::dismiss() {
  if (std::exchange(dismissed_, true)) return;
  if (users_ == 0) let_leave();
}

void Generation::remove_user() {
  --users_;
  if (dismissed_ && users_ == 0) let_leave();
}

void Generation::let_leave() {
  if (!process_ || !process_->alive()) return;
  process_->dismiss(k_leave_grace);
  if (pid() == 0) loop_.defer([this, self = self_] { if (*self != nullptr) on_not_resumed(); });
}

void Generation::kill() noexcept {
  given_up_ = true;
  if (process_ && pid() == 0 && process_->alive()) let_leave();
  else if (process_) process_->kill();
}

bool Generation::on_process_exited(std::int64_t pid, int status) {
  // One that was resumed may have said who it is and ended before anybody listened.
  if (process_ && process_->pid() == 0) process_->listen();
  if (!process_ || pid != process_->pid() || !process_->alive()) return false;
  process_->on_exited(status);
  return true;
}

core::GenerationStatus Generation::status(TimePoint now) const {
  core::GenerationStatus status;
  status.id = id_;
  status.state = to_string(state_);
  status.pid = process_ && process_->alive() ? process_->pid() : 0;
  status.items = static_cast<std::int64_t>(items_);
  status.age_s = std::chrono::duration<double>(now - boot_started_).count();
  if (status.pid > 0) status.rss_bytes = process_rss_bytes(status.pid);
  status.reason = reason_;
  status.checkpoints = ladder_.status();
  return status;
}

}  // namespace pf::ctl
