#include "controller.hpp"

#include <Python.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <iterator>
#include <string>
#include <utility>

#include "fork.hpp"
#include "pidfd.hpp"
#include "process_state.hpp"
#include "process_title.hpp"

namespace pf::exec {
namespace {

// What has ended of a worker's own accord gets this long, when it has left processes behind: helpers that wait for the end of a
// pipe leave by themselves then, and are no leftovers.
constexpr int k_leftover_grace_ms = 100;
constexpr double k_dump_grace_s = 1;
constexpr int k_collecting_look_ms = 200;

struct WorkerProcess {
  std::size_t slot;
  pid_t pid;
  core::UniqueFd pidfd;
  LastWords words;
  double collects_until_s = 0;     // 0: it has its items already
  bool dumped = false;
  std::string cause;
};

struct Pool {
  std::vector<WorkerProcess> workers;
  std::vector<std::pair<std::size_t, core::UniqueFd>> to_spawn;   // slot, channel
  core::UniqueFd board_fd;
  bool opaque = false;
  std::int64_t count = 1;
};

// Each worker's files are four descriptors of the controller.
constexpr std::int64_t k_workers_with_last_words = 64;

Pool& pool() {
  static Pool instance;
  return instance;
}

[[noreturn]] void daemon_gone() {
  for (const WorkerProcess& worker : pool().workers) ::kill(-worker.pid, SIGKILL);
  (void)kill_descendants();
  leave(1);
}

core::Testcases& testcases() {
  static core::Testcases instance;
  return instance;
}

void add_testcases(core::Testcases more) {
  core::Testcases& all = testcases();
  if (more.items.size() != more.texts.size()) daemon_gone();
  all.items.insert(all.items.end(), more.items.begin(), more.items.end());
  all.texts.insert(all.texts.end(), std::make_move_iterator(more.texts.begin()), std::make_move_iterator(more.texts.end()));
}

void send_to_daemon(std::string payload) {
  if (!ProcessState::current().daemon.send(payload)) daemon_gone();
}

// Turns this process into the worker of `slot`: everything that belongs to the controller or to other workers is closed.
void become_worker(std::size_t slot, core::UniqueFd channel, LastWords words) {
  ProcessState& state = ProcessState::current();
  state.role = Role::worker;
  state.slot = slot;
  state.started_s = monotonic_s();
  state.daemon.close();
  state.results = core::FrameSocket(std::move(channel));
  state.last_words = std::move(words);
  pool().workers.clear();
  pool().to_spawn.clear();
  pool().board_fd.reset();
  show_worker(slot);
}

// Told as a worker that started and is gone at once: fewer workers, no lost item.
void tell_no_worker(std::size_t slot) {
  core::WorkerStarted started;
  started.slot = static_cast<std::int64_t>(slot);
  send_to_daemon(core::encode(started));
  core::WorkerExited exited;
  exited.slot = started.slot;
  exited.status = 127 << 8;
  send_to_daemon(core::encode(exited));
}

void keep_worker(std::size_t slot, pid_t pid, LastWords words, double collects_within_s) {
  WorkerProcess worker{slot, pid, open_pidfd(pid), std::move(words), 0, false, {}};
  if (collects_within_s > 0) worker.collects_until_s = monotonic_s() + collects_within_s;
  pool().workers.push_back(std::move(worker));
  core::WorkerStarted started;
  started.slot = static_cast<std::int64_t>(slot);
  started.pid = pid;
  send_to_daemon(core::encode(started));
}

std::pair<std::size_t, core::UniqueFd> take_wanted() {
  auto wanted = std::move(pool().to_spawn.front());
  pool().to_spawn.erase(pool().to_spawn.begin());
  return wanted;
}

LastWords make_last_words() { return pool().count <= k_workers_with_last_words ? LastWords::create() : LastWords(); }

std::optional<ControllerEvent> on_assign(const core::Assign& assign, std::vector<core::UniqueFd> fds) {
  ProcessState& state = ProcessState::current();
  if (fds.size() < 2) daemon_gone();
  auto board = MappedBoard::map(fds[0]);
  if (!board) daemon_gone();
  state.board = std::move(board).value();
  pool().board_fd = std::move(fds[0]);
  pool().opaque = assign.opaque;
  pool().count = assign.workers;
  if (assign.in_controller) {
    state.slot = 0;
    state.results = core::FrameSocket(std::move(fds[1]));
    state.board->board().attach(0, ::getpid());
    return WorkEvent{0, true, assign.opaque, assign.workers};
  }
  for (std::size_t i = 1; i < fds.size(); ++i) pool().to_spawn.emplace_back(i - 1, std::move(fds[i]));
  return std::nullopt;
}

void on_spawn(const core::SpawnWorker& spawn, std::vector<core::UniqueFd> fds) {
  if (fds.empty() || spawn.slot < 0 || ProcessState::current().board == nullptr) return;
  pool().to_spawn.emplace_back(static_cast<std::size_t>(spawn.slot), std::move(fds[0]));
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
  if (type == core::SpawnWorker::k_type) on_spawn(decoded_or_leave<core::SpawnWorker>(root), std::move(frame.fds));
  if (type == core::ReportForward::k_type) return decoded_or_leave<core::ReportForward>(root);
  if (type == core::WarningReport::k_type) return decoded_or_leave<core::WarningReport>(root);
  if (type == core::Testcases::k_type) add_testcases(decoded_or_leave<core::Testcases>(root));
  if (type == core::EndRun::k_type) return decoded_or_leave<core::EndRun>(root);
  return std::nullopt;
}

std::string_view phase_name(core::ItemPhase phase) {
  if (phase == core::ItemPhase::setup) return "setup";
  return phase == core::ItemPhase::teardown ? "teardown" : "call";
}

std::vector<pid_t> worker_pids() {
  std::vector<pid_t> pids;
  for (const WorkerProcess& worker : pool().workers) pids.push_back(worker.pid);
  return pids;
}

std::optional<GoneEvent> reap_worker(std::size_t index) {
  int status = 0;
  if (::waitpid(pool().workers[index].pid, &status, WNOHANG) != pool().workers[index].pid) return std::nullopt;
  const WorkerProcess worker = std::move(pool().workers[index]);
  pool().workers.erase(pool().workers.begin() + static_cast<std::ptrdiff_t>(index));
  GoneEvent gone;
  gone.exited.slot = static_cast<std::int64_t>(worker.slot);
  gone.exited.pid = worker.pid;
  gone.exited.status = status;
  gone.exited.cause = worker.cause;
  if (status != 0) {
    gone.exited.sections = worker.words.read_sections(phase_name(ProcessState::current().board->board().slot(worker.slot).phase));
    gone.exited.stacks = worker.words.read_stacks();
  }
  gone.output = worker.words.read_output();
  // Of a lost worker nothing is blamed for that: it had no time to clean up.
  LeftBy left_by{worker_pids(), worker.pid, "gw" + std::to_string(worker.slot)};
  if (left_by.spared.empty()) left_by.worker = 0;
  std::vector<Leftover> left = end_leftovers(left_by, status == 0 ? k_leftover_grace_ms : 0);
  if (status == 0) gone.leftovers = std::move(left);
  return gone;
}

// A worker that collects for itself has a deadline like a boot; one that has attached to the board is through with that.
void watch_collecting() {
  for (WorkerProcess& worker : pool().workers) {
    if (worker.collects_until_s == 0) continue;
    if (ProcessState::current().board->board().slot(worker.slot).pid == worker.pid) worker.collects_until_s = 0;
    else if (monotonic_s() < worker.collects_until_s) continue;
    else if (!std::exchange(worker.dumped, true)) {
      worker.cause = "it did not collect the suite in time (--boot-timeout)";
      worker.collects_until_s = monotonic_s() + k_dump_grace_s;
      ::kill(worker.pid, SIGUSR1);
    } else {
      ::kill(-worker.pid, SIGKILL);
      ::kill(worker.pid, SIGKILL);
    }
  }
}

int poll_timeout() {
  const auto collects = [](const WorkerProcess& worker) { return worker.collects_until_s > 0; };
  return std::any_of(pool().workers.begin(), pool().workers.end(), collects) ? k_collecting_look_ms : -1;
}

}  // namespace

namespace {

// Threads that plugins started in this process (a server for their workers) go on meanwhile.
int wait_for_any(std::vector<struct pollfd>& set) {
  int ready = 0;
  int error = 0;
  const int timeout = poll_timeout();
  Py_BEGIN_ALLOW_THREADS
  ready = ::poll(set.data(), set.size(), timeout);
  error = errno;
  Py_END_ALLOW_THREADS
  errno = error;
  return ready;
}

}  // namespace

void show_worker(std::size_t slot) noexcept {
  const std::string name = "gw" + std::to_string(slot);
  set_title("pfast worker " + name, "pfast-" + name);
}

std::optional<ControllerEvent> controller_wait() {
  core::FrameSocket& daemon = ProcessState::current().daemon;
  for (;;) {
    if (!pool().to_spawn.empty()) return SpawnEvent{pool().to_spawn.front().first};
    watch_collecting();
    std::vector<struct pollfd> set{{daemon.fd(), POLLIN, 0}};
    for (const WorkerProcess& worker : pool().workers) set.push_back({worker.pidfd.get(), POLLIN, 0});
    if (!daemon.has_buffered_frame() && wait_for_any(set) < 0) {
      if (errno == EINTR) return std::nullopt;
      daemon_gone();
    }
    for (std::size_t i = set.size(); i-- > 1;) {
      if ((set[i].revents & POLLIN) == 0) continue;
      if (auto gone = reap_worker(i - 1)) return std::move(*gone);
    }
    if (!daemon.has_buffered_frame() && (set[0].revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
    auto frame = daemon.receive();
    if (!frame || !frame->has_value()) daemon_gone();
    if (auto event = on_frame(std::move(**frame))) return event;
  }
}

std::optional<WorkEvent> fork_worker(double collects_within_s) {
  auto [slot, channel] = take_wanted();
  LastWords words = make_last_words();
  auto outcome = fork_python({.own_session = true, .die_with_parent = true, .adopt_orphans = false});
  if (!outcome) {
    tell_no_worker(slot);
    return std::nullopt;
  }
  if (outcome->side == ForkSide::child) {
    const WorkEvent work{slot, false, pool().opaque, pool().count};
    become_worker(slot, std::move(channel), std::move(words));
    return work;
  }
  keep_worker(slot, outcome->pid, std::move(words), collects_within_s);
  return std::nullopt;
}

void spawn_worker(WorkerProgram program) {
  auto [slot, channel] = take_wanted();
  // A spawned worker needs its files: they travel as descriptors, in their order.
  LastWords words = LastWords::create();
  auto pair = core::make_socket_pair();
  if (!words.valid() || !pair) return tell_no_worker(slot);
  ExecOptions options{{"--worker-fd", "3", "--parent", std::to_string(::getpid()), "--python", ProcessState::current().python, "--room", std::string(k_title_room, '.')},
                      std::move(program.environment),
                      {program.streams[0], program.streams[1], program.streams[2]},
                      pair->second.get()};
  auto pid = exec_self(options);
  if (!pid) return tell_no_worker(slot);
  core::WorkerBoot boot;
  boot.slot = static_cast<std::int64_t>(slot);
  boot.workers = pool().count;
  boot.opaque = pool().opaque;
  boot.request = ProcessState::current().request;
  boot.identity = std::move(program.identity);
  const int fds[] = {pool().board_fd.get(), channel.get(), words.out.get(), words.err.get(), words.stacks.get(), words.notes.get()};
  pair->second.reset();
  core::FrameSocket inbox(std::move(pair->first));
  (void)inbox.send(core::encode(boot), fds);     // a worker that is dead already is reaped like any other
  keep_worker(slot, *pid, std::move(words), program.collects_within_s);
}

void tell_worker_exited(const core::WorkerExited& exited) { send_to_daemon(core::encode(exited)); }

core::Testcases take_testcases() { return std::exchange(testcases(), {}); }

std::int64_t worker_count() noexcept { return pool().count; }

std::vector<Leftover> kill_descendants(int grace_ms) { return end_leftovers({}, grace_ms); }

}  // namespace pf::exec
