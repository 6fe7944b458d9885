#include "checkpoint.hpp"

#include <Python.h>
#include <unistd.h>

#include <algorithm>
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
// Another gap, in milliseconds, whatever a checkpoint costs: for tests.
constexpr const char* k_gap_variable = "PFAST_CHECKPOINT_GAP_MS";
// A checkpoint costs two forks, of which this process sees one, and the pages that are written to afterwards: no more than about a
// twentieth of the work. Processor time on both sides, since a busy machine makes every wait long.
constexpr double k_work_per_cost = 2 * 20;
// The longer a suite takes to be collected the larger its steps are: no more checkpoints than are kept.
constexpr double k_steps = 12;

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
  daemon_ = ::getppid();
  output_ = key_of(2);
  if (const char* text = std::getenv(k_gap_variable)) fixed_gap_s_ = std::atof(text) / 1000;
  gap_s_ = k_least_gap_s;
  last_s_ = work_s();
}

double Checkpoints::work_s() const noexcept { return work_before_s_ + cpu_s(); }

double Checkpoints::work_since_last() const noexcept { return wanted_ ? work_s() - last_s_ : 0; }

bool Checkpoints::due() const noexcept { return wanted_ && work_s() - last_s_ >= fixed_gap_s_.value_or(gap_s_); }

std::optional<core::BootRequest> Checkpoints::leave_one(const std::string& before, std::span<const CaptureFile> captures) {
  if (!wanted_) return std::nullopt;
  const double work = work_s();
  core::FrameSocket& daemon = ProcessState::current().daemon;
  last_s_ = work;
  auto state = SharedState::take(captures, output_, daemon.fd());
  if (!state) {
    if (obstacle_.empty()) obstacle_ = state.error().message + " before " + before;
    return std::nullopt;
  }
  auto pair = core::make_socket_pair();
  if (!pair) return std::nullopt;              // out of descriptors: a checkpoint less
  const std::int64_t mark = static_cast<std::int64_t>(InputRecorder::instance().count());
  auto outcome = fork_detached(daemon_);
  if (!outcome) {
    if (obstacle_.empty()) obstacle_ = outcome.error().message + " before " + before;
    return std::nullopt;
  }
  if (outcome->side == ForkSide::child) {
    work_before_s_ = work;
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
  made.work_s = work;
  made.before = before;
  const int fds[] = {pair->first.get()};
  if (!daemon.send(core::encode(made), fds)) leave(0);
  last_s_ = work_s();
  gap_s_ = std::max({k_least_gap_s, last_s_ / k_steps, k_work_per_cost * (last_s_ - work)});
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
  gap_s_ = k_least_gap_s;
  last_s_ = work_s();
  keep_spare(boot.spare);
  return std::move(boot);
}

void note_import(PyObject* args) {
  if (!Checkpoints::instance().due() || !PyTuple_Check(args) || PyTuple_GET_SIZE(args) < 2) return;
  PyObject* const name = PyTuple_GET_ITEM(args, 0);
  if (PyTuple_GET_ITEM(args, 1) != Py_None || !PyUnicode_Check(name)) return;
  before_import(name);
}

}  // namespace pf::exec
