// The controller's side of a run: workers are forked here, the daemon says when.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <pfcore/messages.hpp>

#include "leftovers.hpp"

namespace pf::exec {

// What the controller's Python is to do next.
// Run the items of this slot, in this very process.
struct WorkEvent {
  std::size_t slot;
  bool in_controller;
  bool opaque;
  std::int64_t workers;          // of the run
};
// A worker is wanted: fork_worker() or spawn_worker() is next.
struct SpawnEvent {
  std::size_t slot;
};
// A worker has ended: tell_worker_exited() is next. What it had started is gone, too.
struct GoneEvent {
  core::WorkerExited exited;
  std::vector<Leftover> leftovers;
  std::string output;            // what its session had put out for its node: LastWords::note_output
};
using ControllerEvent = std::variant<WorkEvent, SpawnEvent, GoneEvent, core::ReportForward, core::WarningReport, core::EndRun>;

// Waits for the daemon's next word, or for the end of a worker. When the daemon is gone every worker's session is killed and the process leaves. Raises no Python exception; returns
// nullopt when a Python signal handler wants to run (the caller calls PyErr_CheckSignals and waits again).
[[nodiscard]] std::optional<ControllerEvent> controller_wait();

// Testcases that the daemon has sent so far.
[[nodiscard]] core::Testcases take_testcases();

// Workers of this run, as the daemon decided; 1 before it did.
[[nodiscard]] std::int64_t worker_count() noexcept;

// The worker that the last SpawnEvent was for, as a fork of this process. In the worker: its work; nullopt in the controller.
// `collects_within_s` > 0: it begins with a session of its own, and is ended when it has not come to its items by then.
[[nodiscard]] std::optional<WorkEvent> fork_worker(double collects_within_s);

// The same as a process of its own, which is told the run's request and `identity` (bytes, as Python made them).
struct WorkerProgram {
  std::string identity;
  std::vector<std::string> environment;     // "KEY=value"
  int streams[3];
  double collects_within_s;
};
void spawn_worker(WorkerProgram program);

void tell_worker_exited(const core::WorkerExited& exited);

// The worker's name where `ps` shows it.
void show_worker(std::size_t slot) noexcept;

// Kills and reaps every process that still descends from this one.
std::vector<Leftover> kill_descendants(int grace_ms = 0);

}  // namespace pf::exec
