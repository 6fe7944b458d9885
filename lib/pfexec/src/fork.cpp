#include "fork.hpp"

#include <Python.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include <pfcore/unique_fd.hpp>

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

namespace {

constexpr int k_channel_fd = 3;

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& text : strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

int add_descriptors(posix_spawn_file_actions_t& actions, const ExecOptions& options, std::vector<core::UniqueFd>& sources) {
  const int wanted[] = {options.streams[0], options.streams[1], options.streams[2], options.channel};
  for (int target = 0; target <= k_channel_fd; ++target) {
    // A source that lies among the targets would be overwritten before its turn.
    sources.emplace_back(::fcntl(wanted[target], F_DUPFD_CLOEXEC, k_channel_fd + 1));
    if (!sources.back().valid()) return errno;
    if (const int error = ::posix_spawn_file_actions_adddup2(&actions, sources.back().get(), target); error != 0) return error;
  }
  return ::posix_spawn_file_actions_addclosefrom_np(&actions, k_channel_fd + 1);
}

}  // namespace

core::Result<pid_t> exec_self(const ExecOptions& options) {
  constexpr const char* k_program = "/proc/self/exe";     // also when the file was replaced meanwhile
  std::vector<std::string> arguments{"pfast-forkserver"};
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  std::vector<std::string> environment = options.environment;
  std::vector<core::UniqueFd> sources;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  sigset_t all;
  sigset_t none;
  ::sigfillset(&all);
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  int error = add_descriptors(actions, options, sources);
  pid_t pid = 0;
  if (error == 0) error = ::posix_spawn(&pid, k_program, &actions, &attributes, pointers(arguments).data(), pointers(environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) return core::Error::from_errno("start a worker (see RLIMIT_NPROC and the cgroup's pids.max)", error);
  return pid;
}

}  // namespace pf::exec
