// The signal that makes a process of a run write its stacks to the client's stderr and go on.
//
// A real-time signal: tests take SIGUSR1 and SIGUSR2 for themselves. Sent only to runs that asked for it (RunOptions.hang_dump_s),
// whose processes wait for it.
#pragma once

#include <csignal>

#include <pfcore/export.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

[[nodiscard]] inline int stack_signal() noexcept { return SIGRTMIN + 7; }

}  // namespace pf::core
PF_CORE_API_END
