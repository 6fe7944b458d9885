// The only file that forks. Every fork of the warm interpreter goes through fork_python(); a worker that is to be a process of
// its own is started by exec_self().
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include <pfcore/result.hpp>

namespace pf::exec {

enum class ForkSide : unsigned char { parent, child };

struct ForkOutcome {
  ForkSide side;
  pid_t pid;                     // of the child, in the parent; 0 in the child
};

struct ForkOptions {
  bool own_session = true;       // setsid: a killpg(0) in a test reaches nobody else
  bool die_with_parent = false;  // PR_SET_PDEATHSIG = SIGKILL
  bool adopt_orphans = false;    // PR_SET_CHILD_SUBREAPER: double-forked grandchildren stay within reach
};

// Forks with the GIL held, from the main thread, with CPython's at-fork hooks around it.
// Errors: system (EAGAIN, ENOMEM, … the limit that was hit is in the message).
[[nodiscard]] core::Result<ForkOutcome> fork_python(const ForkOptions& options);

// A fork of a fork, so that it is no child of this process: the code of a suite could wait for one, or count them. It is `reaper`'s
// child, which must be the nearest subreaper above this process, and is killed when that ends; where it is not, the child ends at
// once. The parent's ForkOutcome has its pid. The at-fork hooks run once on either side. Errors: as fork_python.
[[nodiscard]] core::Result<ForkOutcome> fork_detached(pid_t reaper);

// As fork_detached, in a third of the time, for a child that does nothing but wait and fork: only CPython's at-fork hooks run in it, not
// those that libraries gave to pthread_atfork(). This process must have one thread. Where its parent is not `reaper`, or kernel or C
// library do not allow for it, it is fork_detached itself.
[[nodiscard]] core::Result<ForkOutcome> fork_to_wait(pid_t reaper);

struct ExecOptions {
  std::vector<std::string> arguments;       // behind the program's name
  std::vector<std::string> environment;     // "KEY=value"
  int streams[3];                           // what its stdin, stdout and stderr are to be
  int channel;                              // its descriptor 3; it has no others
};

// This very program once more, in a session of its own, with default signal actions. Nothing of the calling process runs in it.
// Errors: system.
[[nodiscard]] core::Result<pid_t> exec_self(const ExecOptions& options);

}  // namespace pf::exec
