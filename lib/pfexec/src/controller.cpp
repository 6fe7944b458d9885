#include "controller.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string>
#include <utility>

#include "fork.hpp"
#include "pidfd.hpp"
#include "process_state.hpp"

namespace pf::exec {
namespace {

struct WorkerProcess {
  std::size_t slot;
  pid_t pid;
  core::UniqueFd pidfd;
};

struct Pool {
  std::vector<WorkerProcess> workers;
  std::vector<std::pair<std::size_t, core::UniqueFd>> to_spawn;   // slot, channel
  bool opaque = false;
  std::int64_t count = 1;
};

Pool& pool() {
  static Pool instance;
  return instance;
}

std::vector<pid_t> children_of_self() {
  std::vector<pid_t> pids;
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/task/%d/children", static_cast<int>(::getpid()));
  if (std::FILE* file = std::fopen(path, "re")) {
    int pid = 0;
    while (std::fscanf(file, "%d", &pid) == 1) pids.push_back(pid);
    std::fclose(file);
  }
  return pids;
}

std::string process_name(pid_t pid) {
  char path[64];
  char name[64] = "?";
  std::snprintf(path, sizeof path, "/proc/%d/comm", static_cast<int>(pid));
  if (std::FILE* file = std::fopen(path, "re")) {
    if (std::fscanf(file, "%63[^\n]", name) != 1) name[0] = '?';
    std::fclose(file);
  }
  return std::to_string(pid) + " (" + name + ")";
}

[[noreturn]] void daemon_gone() {
  for (const WorkerProcess& worker : pool().workers) ::kill(-worker.pid, SIGKILL);
  (void)kill_descendants();
  leave(1);
}

void send_to_daemon(std::string payload) {
  if (!ProcessState::current().daemon.send(payload)) daemon_gone();
}

// Turns this process into the worker of `slot`: everything that belongs to the controller or to other workers is closed.
void become_worker(std::size_t slot, core::UniqueFd channel) {
  ProcessState& state = ProcessState::current();
  state.role = Role::worker;
  state.slot = slot;
  state.started_s = monotonic_s();
  state.daemon.close();
  state.results = core::FrameSocket(std::move(channel));
  pool().workers.clear();
  pool().to_spawn.clear();
  state.board->board().attach(slot, ::getpid());
}

// True in the worker.
bool spawn_one(std::size_t slot, core::UniqueFd channel) {
  auto outcome = fork_python({.own_session = true, .die_with_parent = true, .adopt_orphans = false});
  core::WorkerStarted started;
  started.slot = static_cast<std::int64_t>(slot);
  if (!outcome) {
    // Told as a worker that started and is gone at once: fewer workers, no lost item.
    send_to_daemon(core::encode(started));
    core::WorkerExited exited;
    exited.slot = started.slot;
    exited.status = 127 << 8;
    send_to_daemon(core::encode(exited));
    return false;
  }
  if (outcome->side == ForkSide::child) {
    become_worker(slot, std::move(channel));
    return true;
  }
  started.pid = outcome->pid;
  pool().workers.push_back({slot, outcome->pid, open_pidfd(outcome->pid)});
  send_to_daemon(core::encode(started));
  return false;
}

std::optional<ControllerEvent> spawn_pending() {
  Pool& workers = pool();
  while (!workers.to_spawn.empty()) {
    auto [slot, channel] = std::move(workers.to_spawn.front());
    workers.to_spawn.erase(workers.to_spawn.begin());
    if (spawn_one(slot, std::move(channel))) return WorkEvent{slot, false, workers.opaque, workers.count};
  }
  return std::nullopt;
}

std::optional<ControllerEvent> on_assign(const core::Assign& assign, std::vector<core::UniqueFd> fds) {
  ProcessState& state = ProcessState::current();
  if (fds.size() < 2) daemon_gone();
  auto board = MappedBoard::map(fds[0]);
  if (!board) daemon_gone();
  state.board = std::move(board).value();
  pool().opaque = assign.opaque;
  pool().count = assign.workers;
  if (assign.in_controller) {
    state.slot = 0;
    state.results = core::FrameSocket(std::move(fds[1]));
    state.board->board().attach(0, ::getpid());
    return WorkEvent{0, true, assign.opaque, assign.workers};
  }
  for (std::size_t i = 1; i < fds.size(); ++i) pool().to_spawn.emplace_back(i - 1, std::move(fds[i]));
  return spawn_pending();
}

std::optional<ControllerEvent> on_spawn(const core::SpawnWorker& spawn, std::vector<core::UniqueFd> fds) {
  if (fds.empty() || spawn.slot < 0 || ProcessState::current().board == nullptr) return std::nullopt;
  pool().to_spawn.emplace_back(static_cast<std::size_t>(spawn.slot), std::move(fds[0]));
  return spawn_pending();
}

template <typename T>
T decoded_or_leave(const core::Value& value) {
  auto message = core::decode_as<T>(value);
  if (!message) daemon_gone();
  return std::move(message).value();
}

std::optional<ControllerEvent> on_frame(core::ReceivedFrame frame) {
  auto document = core::decode_pickle(frame.payload, core::Limits::result(), core::Texts::borrowed);
  if (!document) daemon_gone();
  const core::Value& root = document->root();
  const std::string_view type = core::message_type(root);
  if (type == core::Assign::k_type) return on_assign(decoded_or_leave<core::Assign>(root), std::move(frame.fds));
  if (type == core::SpawnWorker::k_type) return on_spawn(decoded_or_leave<core::SpawnWorker>(root), std::move(frame.fds));
  if (type == core::ReportForward::k_type) return decoded_or_leave<core::ReportForward>(root);
  if (type == core::WarningReport::k_type) return decoded_or_leave<core::WarningReport>(root);
  if (type == core::EndRun::k_type) return decoded_or_leave<core::EndRun>(root);
  return std::nullopt;
}

void reap_worker(std::size_t index) {
  int status = 0;
  const WorkerProcess& worker = pool().workers[index];
  if (::waitpid(worker.pid, &status, WNOHANG) != worker.pid) return;
  core::WorkerExited exited;
  exited.slot = static_cast<std::int64_t>(worker.slot);
  exited.pid = worker.pid;
  exited.status = status;
  pool().workers.erase(pool().workers.begin() + static_cast<std::ptrdiff_t>(index));
  send_to_daemon(core::encode(exited));
}

}  // namespace

std::optional<ControllerEvent> controller_wait() {
  core::FrameSocket& daemon = ProcessState::current().daemon;
  for (;;) {
    std::vector<struct pollfd> set{{daemon.fd(), POLLIN, 0}};
    for (const WorkerProcess& worker : pool().workers) set.push_back({worker.pidfd.get(), POLLIN, 0});
    if (!daemon.has_buffered_frame() && ::poll(set.data(), set.size(), -1) < 0) {
      if (errno == EINTR) return std::nullopt;
      daemon_gone();
    }
    for (std::size_t i = set.size(); i-- > 1;) {
      if ((set[i].revents & POLLIN) != 0) reap_worker(i - 1);
    }
    if (!daemon.has_buffered_frame() && (set[0].revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
    auto frame = daemon.receive();
    if (!frame || !frame->has_value()) daemon_gone();
    if (auto event = on_frame(std::move(**frame))) return event;
  }
}

std::int64_t worker_count() noexcept { return pool().count; }

std::vector<std::string> kill_descendants() {
  std::vector<std::string> names;
  // A killed process' children come to this one (subreaper), so a tree is gone after as many rounds as it is deep.
  for (int round = 0; round < 64; ++round) {
    const std::vector<pid_t> pids = children_of_self();
    if (pids.empty()) break;
    for (const pid_t pid : pids) {
      int status = 0;
      if (::waitpid(pid, &status, WNOHANG) == pid) continue;   // a zombie only
      names.push_back(process_name(pid));
      ::kill(pid, SIGKILL);
      (void)::waitpid(pid, &status, 0);
    }
  }
  return names;
}

}  // namespace pf::exec
