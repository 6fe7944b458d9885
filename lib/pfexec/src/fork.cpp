#include "fork.hpp"

#include <Python.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>

#include <pfcore/unique_fd.hpp>

#include "pidfd.hpp"

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

// The process in the middle has ended, so that its child has its new parent.
void wait_for_end_of(pid_t middle) noexcept {
  if (::getppid() != middle) return;
  const core::UniqueFd pidfd = open_pidfd(middle);
  struct pollfd ended {pidfd.get(), POLLIN, 0};
  while (pidfd.valid() && ::getppid() == middle && ::poll(&ended, 1, -1) < 0 && errno == EINTR) {}
}

// Has no Python to run: it tells its child's pid, or minus errno, and ends.
[[noreturn]] void end_between(pid_t child, int fork_errno, int pipe) noexcept {
  const pid_t answer = child > 0 ? child : -fork_errno;
  (void)!::write(pipe, &answer, sizeof answer);
  ::_exit(0);
}

pid_t read_answer(int pipe) noexcept {
  pid_t answer = -EPIPE;
  while (::read(pipe, &answer, sizeof answer) < 0 && errno == EINTR) {}
  return answer;
}

}  // namespace

core::Result<ForkOutcome> fork_detached(pid_t reaper) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return core::Error::from_errno("fork: make a pipe", errno);
  core::UniqueFd from_middle(ends[0]);
  core::UniqueFd to_parent(ends[1]);
  PyOS_BeforeFork();
  const pid_t middle = ::fork();
  const int fork_errno = errno;
  if (middle == 0) {
    const pid_t self = ::getpid();
    if (const pid_t child = ::fork(); child != 0) end_between(child, errno, to_parent.get());
    wait_for_end_of(self);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (::getppid() != reaper) ::_exit(0);
    PyOS_AfterFork_Child();
    return ForkOutcome{ForkSide::child, 0};
  }
  PyOS_AfterFork_Parent();
  to_parent.reset();
  const pid_t answer = middle < 0 ? -fork_errno : read_answer(from_middle.get());
  while (middle > 0 && ::waitpid(middle, nullptr, 0) < 0 && errno == EINTR) {}
  if (answer < 0) return core::Error::from_errno("fork (see RLIMIT_NPROC and the cgroup's pids.max)", -answer);
  return ForkOutcome{ForkSide::parent, answer};
}

namespace {

// Where the C library keeps the id of this thread, which its own fork renews; null where it is not where the kernel would clear it
// (glibc keeps it there, musl a lock), or the kernel does not tell.
int* kept_thread_id() noexcept {
  int* id = nullptr;
  if (::prctl(PR_GET_TID_ADDRESS, &id, 0, 0, 0) != 0 || id == nullptr) return nullptr;
  return *id == static_cast<int>(::syscall(SYS_gettid)) ? id : nullptr;
}

// A fork whose parent is this process's own. -1: not to be had here.
pid_t fork_sibling() noexcept {
#ifdef __SANITIZE_THREAD__
  return -1;                                         // its runtime has a thread of its own, and only the library's fork minds it
#else
  int* const thread_id = kept_thread_id();
  if (thread_id == nullptr) return -1;
  clone_args args{};
  args.flags = CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
  args.child_tid = reinterpret_cast<std::uintptr_t>(thread_id);
  return static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
#endif
}

}  // namespace

core::Result<ForkOutcome> fork_to_wait(pid_t reaper) {
  if (::getppid() != reaper) return fork_detached(reaper);
  PyOS_BeforeFork();
  const pid_t pid = fork_sibling();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (::getppid() != reaper) ::_exit(0);
    PyOS_AfterFork_Child();
    return ForkOutcome{ForkSide::child, 0};
  }
  PyOS_AfterFork_Parent();
  if (pid < 0) return fork_detached(reaper);
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
