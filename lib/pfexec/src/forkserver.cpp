#include <pfexec/forkserver.hpp>

#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "checkpoint.hpp"
#include "fork.hpp"
#include "input_recorder.hpp"
#include "page_rehearsal.hpp"
#include "pause.hpp"
#include "pidfd.hpp"
#include "process_state.hpp"
#include "process_title.hpp"
#include "python_adapter.hpp"

namespace pf::exec {
namespace {

using core::ReceivedFrame;

constexpr std::size_t k_fork_fds = 4;          // controller channel, stdin, stdout, stderr

// The paused process' loop. It owns the children until they are reaped and answers every fork request.
// As the boot request said: a generation for a single run needs no child for the next one.
bool& keeps_spare() noexcept {
  static bool keeps = true;
  return keeps;
}

class PausedForkserver {
 public:
  explicit PausedForkserver(bool keeps_spare) : keeps_spare_(keeps_spare) {}
  // Returns in a child that has a run to do; the forkserver itself leaves by exit.
  Wake serve();

 private:
  struct Child {
    pid_t pid;
    core::UniqueFd pidfd;
  };

  std::optional<Wake> fork_spare();
  std::optional<Wake> on_frame(ReceivedFrame frame);
  bool hand_to_spare(const ReceivedFrame& frame);
  void reap(std::size_t index);
  void reply(const core::Forked& message);
  std::vector<struct pollfd> poll_set() const;
  void become_child();

  bool keeps_spare_;
  std::vector<Child> children_;
  // A child forked ahead of time: a run starts by handing it the request instead of paying for a fork.
  core::FrameSocket spare_;
  pid_t spare_pid_ = 0;
};

// Never less nice than it was, which only root could be. The workers inherit it.
void be_nice(std::int64_t niceness) {
  const int wanted = static_cast<int>(std::clamp<std::int64_t>(niceness, 0, 19));
  if (wanted > ::getpriority(PRIO_PROCESS, 0)) (void)::setpriority(PRIO_PROCESS, 0, wanted);
}

// The request's descriptors become the child's own streams; what came as number 0 is the channel to the daemon.
Wake wake_from(ReceivedFrame frame) {
  auto document = core::decode_pickle(frame.payload, core::Limits::control());
  if (!document) leave(1);
  auto request = core::decode_as<core::ForkRequest>(document->root());
  if (!request || frame.fds.size() != k_fork_fds) leave(1);
  for (int stream = 0; stream < 3; ++stream) ::dup2(frame.fds[static_cast<std::size_t>(stream) + 1].get(), stream);

  ProcessState& state = ProcessState::current();
  state.role = Role::controller;
  state.daemon = core::FrameSocket(std::move(frame.fds[0]));
  state.started_s = monotonic_s();
  set_title("pfast run " + std::to_string(request->run_id), "pfast-run");
  be_nice(request->request.options.nice);
  state.request = request->request;
  return Wake{request->run_id, std::move(request->request)};
}

void PausedForkserver::become_child() {
  children_.clear();
  InputRecorder::instance().stop();
  ProcessState::current().daemon.close();
}

std::optional<Wake> PausedForkserver::fork_spare() {
  if (!keeps_spare_) return std::nullopt;
  auto pair = core::make_socket_pair();
  if (!pair) return std::nullopt;              // out of descriptors: the next request forks directly or is refused by name
  auto outcome = fork_python({.own_session = true, .die_with_parent = false, .adopt_orphans = true});
  if (!outcome) return std::nullopt;
  if (outcome->side == ForkSide::child) {
    become_child();
    spare_.close();
    pair->first.reset();
    set_title("pfast spare", "pfast-spare");
    PageRehearsal::instance().replay();
    prepare_spare();
    core::FrameSocket inbox(std::move(pair->second));
    auto frame = inbox.receive();
    if (!frame || !frame->has_value()) leave(0);   // the forkserver is gone, or does not want a spare any more
    return wake_from(std::move(**frame));
  }
  spare_pid_ = outcome->pid;
  spare_ = core::FrameSocket(std::move(pair->first));
  children_.push_back({outcome->pid, open_pidfd(outcome->pid)});
  return std::nullopt;
}

bool PausedForkserver::hand_to_spare(const ReceivedFrame& frame) {
  if (!spare_.valid()) return false;
  std::vector<int> fds;
  for (const core::UniqueFd& fd : frame.fds) fds.push_back(fd.get());
  const bool sent = spare_.send(frame.payload, fds).ok();
  spare_.close();
  return sent;
}

void PausedForkserver::reply(const core::Forked& message) {
  if (!ProcessState::current().daemon.send(core::encode(message))) leave(0);
}

std::optional<Wake> PausedForkserver::on_frame(ReceivedFrame frame) {
  auto document = core::decode_pickle(frame.payload, core::Limits::control());
  if (!document || core::message_type(document->root()) != core::ForkRequest::k_type) return std::nullopt;
  auto request = core::decode_as<core::ForkRequest>(document->root());
  if (!request) return std::nullopt;
  core::Forked answer;
  answer.run_id = request->run_id;
  if (frame.fds.size() != k_fork_fds) {
    answer.error = "the request came without its descriptors (is the daemon out of file descriptors?)";
    reply(answer);
    return std::nullopt;
  }
  if (hand_to_spare(frame)) {
    answer.pid = spare_pid_;
    reply(answer);
    return std::nullopt;
  }
  auto outcome = fork_python({.own_session = true, .die_with_parent = false, .adopt_orphans = true});
  if (!outcome) {
    answer.error = outcome.error().message;
    reply(answer);
    return std::nullopt;
  }
  if (outcome->side == ForkSide::child) {
    become_child();
    return wake_from(std::move(frame));
  }
  children_.push_back({outcome->pid, open_pidfd(outcome->pid)});
  answer.pid = outcome->pid;
  reply(answer);
  return std::nullopt;
}

void PausedForkserver::reap(std::size_t index) {
  int status = 0;
  const pid_t pid = children_[index].pid;
  if (::waitpid(pid, &status, WNOHANG) != pid) return;
  children_.erase(children_.begin() + static_cast<std::ptrdiff_t>(index));
  if (pid == spare_pid_) {
    spare_pid_ = 0;
    if (spare_.valid()) {
      spare_.close();                           // killed while it waited: nobody's run
      return;
    }
  }
  core::ChildExited exited;
  exited.pid = pid;
  exited.status = status;
  if (!ProcessState::current().daemon.send(core::encode(exited))) leave(0);
}

std::vector<struct pollfd> PausedForkserver::poll_set() const {
  std::vector<struct pollfd> set{{ProcessState::current().daemon.fd(), POLLIN, 0}};
  for (const Child& child : children_) set.push_back({child.pidfd.get(), POLLIN, 0});
  return set;
}

Wake PausedForkserver::serve() {
  core::FrameSocket& daemon = ProcessState::current().daemon;
  if (auto wake = fork_spare()) return std::move(*wake);
  for (;;) {
    auto set = poll_set();
    if (!daemon.has_buffered_frame() && ::poll(set.data(), set.size(), -1) < 0 && errno != EINTR) leave(1);
    bool freed = false;
    for (std::size_t i = set.size(); i-- > 1;) {
      if ((set[i].revents & POLLIN) == 0) continue;
      reap(i - 1);
      freed = true;
    }
    if (daemon.has_buffered_frame() || (set[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
      auto frame = daemon.receive();
      if (!frame || !frame->has_value()) leave(0);   // EOF: the daemon is gone, and so is the reason to be
      if (auto wake = on_frame(std::move(**frame))) return std::move(*wake);
    }
    // A new spare only when a run is over: its fork must not compete with the run that took the last one.
    if (freed && !spare_.valid()) {
      if (auto wake = fork_spare()) return std::move(*wake);
    }
  }
}

}  // namespace

void keep_spare(bool keep) noexcept { keeps_spare() = keep; }

Wake pause(const core::BootReady& ready) {
  Checkpoints::instance().end();
  InputRecorder::instance().stop();
  if (!ProcessState::current().daemon.send(core::encode(ready))) leave(0);
  set_title("pfast forkserver", {});
  set_title_detail(std::to_string(ready.nodeids.size()) + " items of " + InputRecorder::instance().root());
  PageRehearsal::instance().prepare();
  PausedForkserver forkserver(keeps_spare());
  return forkserver.serve();
}

int run_forkserver(ForkserverOptions options) {
  ProcessState& state = ProcessState::current();
  state.daemon = core::FrameSocket(std::move(options.channel));
  state.python = options.python;
  auto order = receive_order(state.daemon);
  if (!order) return order.error().code == core::ErrorCode::closed ? 0 : 1;
  const core::BootRequest& boot = order->boot;

  set_title("pfast forkserver", {});
  set_title_detail("collecting in " + boot.cwd);
  keep_spare(boot.spare);
  InputRecorder::instance().start();
  Checkpoints::instance().begin(std::move(order->ladder));
  core::BootFailed failed = collect_with_pytest(boot, options.adapter_dir);
  failed.inputs = InputRecorder::instance().inputs().inputs;
  (void)state.daemon.send(core::encode(failed));
  return static_cast<int>(failed.exit_code);
}

}  // namespace pf::exec
