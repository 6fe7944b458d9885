// The controller's side of a run: workers are forked here, the daemon says when.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <pfcore/messages.hpp>

namespace pf::exec {

// What the controller's Python is to do next.
// Run the items of this slot, in this very process.
struct WorkEvent {
  std::size_t slot;
  bool in_controller;
  bool opaque;
  std::int64_t workers;          // of the run
};
using ControllerEvent = std::variant<WorkEvent, core::ReportForward, core::WarningReport, core::EndRun>;

// Waits for the daemon's next word. Forks workers on the way and reports their ends; in a worker it returns WorkEvent.
// When the daemon is gone every worker's session is killed and the process leaves. Raises no Python exception; returns
// nullopt when a Python signal handler wants to run (the caller calls PyErr_CheckSignals and waits again).
[[nodiscard]] std::optional<ControllerEvent> controller_wait();

// Workers of this run, as the daemon decided; 1 before it did.
[[nodiscard]] std::int64_t worker_count() noexcept;

// Kills and reaps every process that still descends from this one. Names of what was killed: "pid (comm)".
std::vector<std::string> kill_descendants();

}  // namespace pf::exec
