#include "fork.hpp"

#include <Python.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace pf::exec {
namespace {

// Between fork and the request that the parent sends there is no moment without an owner: when the parent died before
// prctl took effect, getppid() tells.
void become_child(const ForkOptions& options, pid_t parent) {
  if (options.own_session) ::setsid();
  if (options.adopt_orphans) ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  if (options.die_with_parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (::getppid() != parent) ::_exit(0);
  }
}

}  // namespace

core::Result<ForkOutcome> fork_python(const ForkOptions& options) {
  const pid_t parent = ::getpid();
  PyOS_BeforeFork();
  const pid_t pid = ::fork();
  const int fork_errno = errno;
  if (pid == 0) {
    become_child(options, parent);
    PyOS_AfterFork_Child();
    return ForkOutcome{ForkSide::child, 0};
  }
  PyOS_AfterFork_Parent();
  if (pid < 0) {
    return core::Error::from_errno("fork (see RLIMIT_NPROC and the cgroup's pids.max)", fork_errno);
  }
  return ForkOutcome{ForkSide::parent, pid};
}

}  // namespace pf::exec
