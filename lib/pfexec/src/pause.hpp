// The moment between collection and pytest_collection_modifyitems: the one place where the forkserver waits.
#pragma once

#include <cstdint>

#include <pfcore/messages.hpp>

namespace pf::exec {

// What a forked child has to do.
struct Wake {
  std::int64_t run_id = 0;
  core::RunRequest request;
};

// Announces the generation and serves fork requests. Returns in every child that got a run; never in the forkserver
// itself, which leaves by _exit when the daemon closes the channel. Call with the GIL held, from the main thread.
[[nodiscard]] Wake pause(const core::BootReady& ready);

// As the boot request says: whether a child is forked ahead of the next run.
void keep_spare(bool keep) noexcept;

}  // namespace pf::exec
