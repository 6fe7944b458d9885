// The warm process: a real pytest, paused in its own collection, that answers fork requests.
//
// run_forkserver() expects an initialised interpreter and owns the process from then on: it receives one BootRequest,
// runs pytest up to the pause, sends BootReady, and then forks a controller per ForkRequest. It returns only when the
// daemon closes the channel or the boot failed; forked children leave by _exit and never return from it.
#pragma once

#include <string>

#include <pfcore/unique_fd.hpp>

namespace pf::exec {

struct ForkserverOptions {
  core::UniqueFd channel;        // connected to the daemon
  std::string adapter_dir;       // folder that holds the Python package _pfast_exec
  std::string python;            // that the interpreter was started as
};

// Returns the exit status of the process.
[[nodiscard]] int run_forkserver(ForkserverOptions options);

struct WorkerOptions {
  core::UniqueFd channel;        // connected to the controller that started this process
  std::string adapter_dir;
  std::string python;
};

// A worker that is no fork: collects for itself, proves that it found what its controller found, and runs its items. Expects an
// initialised interpreter; leaves by _exit, and returns the exit status only when it was told nothing.
[[nodiscard]] int run_worker(WorkerOptions options);

}  // namespace pf::exec
