// Calls from C++ into the Python package _pfast_exec, and nothing else.
#pragma once

#include <string>

#include <pfcore/messages.hpp>

struct _object;                                   // PyObject, without Python.h

namespace pf::exec {

// Runs pytest up to the pause. Returns only when pytest ended before it came there, with pytest's exit code.
[[nodiscard]] core::BootFailed collect_with_pytest(const core::BootRequest& boot, const std::string& adapter_dir);

// Runs the worker that `boot` describes. Returns when its session could not even begin, having told the daemon so.
void run_worker_with_pytest(const core::WorkerBoot& boot, const std::string& adapter_dir);

// A module of that name (a str) is about to be looked for: leaves a checkpoint behind when it is the project's. `hot`: it was edited
// lately. Returns in new forkservers, too. Errors are dropped.
void before_import(_object* name, bool hot) noexcept;

// In a spare child: reads what every run reads first. A failure is the run's to tell.
void prepare_spare() noexcept;

}  // namespace pf::exec
