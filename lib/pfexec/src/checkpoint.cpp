#include "checkpoint.hpp"

#include <Python.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "fork.hpp"
#include "input_recorder.hpp"
#include "pause.hpp"
#include "process_state.hpp"
#include "process_title.hpp"
#include "python_adapter.hpp"

namespace pf::exec {
namespace {

constexpr double k_least_gap_s = 0.15;
// Right before a file that was edited lately, or that a run has named.
constexpr double k_least_likely_gap_s = 0.02;
// Another gap, in milliseconds, whatever a checkpoint costs: for tests.
constexpr const char* k_gap_variable = "PFAST_CHECKPOINT_GAP_MS";
// A checkpoint costs a fork, and the pages that are written to afterwards: no more than about a twentieth of the work, or a tenth where
// much is written to. Processor time on both sides, since a busy machine makes every wait long.
constexpr double k_work_per_cost = 20;
// The longer a suite takes to be collected the larger its steps are: no more checkpoints than are kept,
constexpr double k_steps = 12;
// or three times as many by pages: what a checkpoint has to itself are the pages that were written to both before and after it.
// 1,800 pages are 7 MiB.
constexpr long k_least_gap_copies = 1800;
constexpr long k_steps_by_pages = 40;
// In weighing which one to drop, so that an import is not all that lies between two of them.
constexpr double k_work_per_fault_s = 1e-4;

// Of this process: each is a page that is new or that was copied.
long page_faults() noexcept {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return used.ru_minflt;
}

// Pages; 0 where the kernel does not say.
long resident_pages() noexcept {
  const core::UniqueFd file(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  char text[128];
  const ssize_t size = file.valid() ? ::read(file.get(), text, sizeof text - 1) : -1;
  if (size <= 0) return 0;
  text[size] = '\0';
  long pages = 0;
  return std::sscanf(text, "%*d %ld", &pages) == 1 ? pages : 0;   // NOLINT(cert-err34-c)
}

}  // namespace

core::Result<BootOrder> receive_order(core::FrameSocket& channel) {
  BootOrder order;
  for (;;) {
    auto frame = channel.receive();
    if (!frame) return std::move(frame).error();
    auto document = core::decode_pickle((*frame)->payload, core::Limits::control());
    if (!document) return std::move(document).error();
    if (core::message_type(document->root()) == core::LadderRequest::k_type) {
      auto ladder = core::decode_as<core::LadderRequest>(document->root());
      if (!ladder) return std::move(ladder).error();
      order.ladder = std::move(*ladder);
      continue;
    }
    auto boot = core::decode_as<core::BootRequest>(document->root());
    if (!boot) return std::move(boot).error();
    order.boot = std::move(*boot);
    return order;
  }
}

Checkpoints& Checkpoints::instance() noexcept {
  static Checkpoints checkpoints;
  return checkpoints;
}

void Checkpoints::begin(const std::optional<core::LadderRequest>& wanted) {
  wanted_ = wanted.has_value();
  if (wanted) hot_ = wanted->hot;
  daemon_ = ::getppid();
  output_ = key_of(2);
  if (const char* text = std::getenv(k_gap_variable)) fixed_gap_s_ = std::atof(text) / 1000;
  gap_s_ = k_least_gap_s;
  gap_copies_ = k_least_gap_copies;
  note_last();
}

long Checkpoints::faults() const noexcept { return faults_before_ + page_faults(); }

// Pages that were copied since the last checkpoint, or fewer.
long Checkpoints::copies() const noexcept {
  const long touched = faults() - last_faults_;
  return touched < gap_copies_ ? 0 : touched - (resident_pages() - last_resident_);
}

void Checkpoints::note_last() noexcept {
  last_s_ = work_s();
  last_faults_ = faults();
  last_resident_ = resident_pages();
}

double Checkpoints::work_s() const noexcept { return work_before_s_ + cpu_s(); }

bool Checkpoints::worth_one() const noexcept { return wanted_ && work_s() - last_s_ >= std::min(fixed_gap_s_.value_or(k_least_gap_s), k_least_likely_gap_s); }

bool Checkpoints::is_hot(std::string_view path) const {
  if (hot_.empty() || !worth_one()) return false;
  return std::any_of(hot_.begin(), hot_.end(), [path](std::string_view hot) {
    return hot.starts_with(path) && (hot.size() == path.size() || hot.substr(path.size()) == "/conftest.py" || hot.substr(path.size()) == "/__init__.py");
  });
}

bool Checkpoints::is_hot_module(std::string_view name) const {
  if (hot_.empty() || !worth_one()) return false;
  std::string path = "/" + std::string(name);
  std::replace(path.begin(), path.end(), '.', '/');
  return std::any_of(hot_.begin(), hot_.end(), [&path](std::string_view hot) { return hot.ends_with(path + ".py") || hot.ends_with(path + "/__init__.py"); });
}

bool Checkpoints::due() const noexcept {
  if (!wanted_) return false;
  const double work = work_s() - last_s_;
  if (work >= fixed_gap_s_.value_or(gap_s_)) return true;
  return !fixed_gap_s_ && work >= least_gap_s_ && copies() >= gap_copies_;
}

std::optional<core::BootRequest> Checkpoints::leave_one(const std::string& before, bool hot, std::span<const CaptureFile> captures) {
  if (!wanted_) return std::nullopt;
  const double work = work_s();
  core::FrameSocket& daemon = ProcessState::current().daemon;
  note_last();
  auto state = SharedState::take(captures, output_, daemon.fd());
  if (!state) {
    if (obstacle_.empty()) obstacle_ = state.error().message + " before " + before;
    return std::nullopt;
  }
  auto pair = core::make_socket_pair();
  if (!pair) return std::nullopt;              // out of descriptors: a checkpoint less
  const std::int64_t mark = static_cast<std::int64_t>(InputRecorder::instance().count());
  auto outcome = fork_to_wait(daemon_);
  if (!outcome) {
    if (obstacle_.empty()) obstacle_ = outcome.error().message + " before " + before;
    return std::nullopt;
  }
  if (outcome->side == ForkSide::child) {
    work_before_s_ = work;
    faults_before_ = last_faults_;
    pair->first.reset();
    daemon.close();
    ::setpgid(0, 0);                           // the forkserver's group is killed with it
    set_title("pfast checkpoint", "pfast-ckpt");
    set_title_detail("before " + before);
    return wait_to_resume(std::move(pair->second), *state);
  }
  pair->second.reset();
  core::CheckpointMade made;
  made.pid = outcome->pid;
  made.mark = mark;
  made.work_s = work + k_work_per_fault_s * static_cast<double>(last_faults_);
  made.before = before;
  made.hot = hot;
  const int fds[] = {pair->first.get()};
  if (!daemon.send(core::encode(made), fds)) leave(0);
  note_last();
  const double cost = last_s_ - work;
  least_gap_s_ = k_work_per_cost / 2 * cost;
  gap_s_ = std::max({k_least_gap_s, last_s_ / k_steps, k_work_per_cost * cost});
  gap_copies_ = std::max(k_least_gap_copies, last_faults_ / k_steps_by_pages);
  return std::nullopt;
}

// The checkpoint's own life. It returns in forks of it only.
core::BootRequest Checkpoints::wait_to_resume(core::UniqueFd channel, const SharedState& state) {
  core::FrameSocket inbox(std::move(channel));
  for (;;) {
    auto frame = inbox.receive();
    if (!frame || !frame->has_value()) leave(0);   // nobody has a use for it any more
    std::vector<core::UniqueFd> fds = std::move((*frame)->fds);
    auto document = core::decode_pickle((*frame)->payload, core::Limits::control());
    if (!document || core::message_type(document->root()) != core::ResumeRequest::k_type || fds.size() != 2) continue;
    auto outcome = fork_detached(daemon_);
    if (!outcome || outcome->side == ForkSide::parent) continue;   // with its descriptors closed the daemon knows
    inbox.close();
    return become_forkserver(std::move(fds[0]), fds[1], state);
  }
}

core::BootRequest Checkpoints::become_forkserver(core::UniqueFd channel, const core::UniqueFd& output, const SharedState& state) {
  ::setsid();
  state.restore();
  replace_descriptors(output_, output.get());
  output_ = key_of(output.get());
  core::FrameSocket& daemon = ProcessState::current().daemon;
  daemon = core::FrameSocket(std::move(channel));
  core::Resumed resumed;
  resumed.pid = ::getpid();
  if (!daemon.send(core::encode(resumed))) leave(0);
  auto order = receive_order(daemon);
  if (!order) leave(0);
  core::BootRequest& boot = order->boot;
  set_title("pfast forkserver", "pfast-forkserve");
  set_title_detail("collecting in " + boot.cwd);
  wanted_ = order->ladder.has_value();
  hot_ = wanted_ ? std::move(order->ladder->hot) : core::OsStrings();
  gap_s_ = k_least_gap_s;
  least_gap_s_ = 0;
  note_last();
  keep_spare(boot.spare);
  return std::move(boot);
}

void note_import(PyObject* args) {
  const Checkpoints& checkpoints = Checkpoints::instance();
  if (!checkpoints.worth_one() || !PyTuple_Check(args) || PyTuple_GET_SIZE(args) < 2) return;
  PyObject* const name = PyTuple_GET_ITEM(args, 0);
  if (PyTuple_GET_ITEM(args, 1) != Py_None || !PyUnicode_Check(name)) return;
  const char* const text = PyUnicode_AsUTF8(name);
  if (text == nullptr) PyErr_Clear();
  const bool hot = text != nullptr && checkpoints.is_hot_module(text);
  if (hot || checkpoints.due()) before_import(name, hot);
}

}  // namespace pf::exec
