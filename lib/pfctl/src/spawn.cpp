#include "spawn.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <pfctl/process_info.hpp>

#include "text.hpp"

namespace pf::ctl {
namespace {

// Descriptors below this are targets of the child's dup2 calls: a source among them would be overwritten too early.
constexpr int k_first_source_fd = k_extra_fd + 1;

struct FileActions {
  posix_spawn_file_actions_t raw;
  FileActions() { ::posix_spawn_file_actions_init(&raw); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  ~FileActions() { ::posix_spawn_file_actions_destroy(&raw); }
};

struct Attributes {
  posix_spawnattr_t raw;
  Attributes() { ::posix_spawnattr_init(&raw); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  ~Attributes() { ::posix_spawnattr_destroy(&raw); }
};

void reset_signals(posix_spawnattr_t& attributes, bool new_session) {
  sigset_t all;
  sigset_t none;
  ::sigfillset(&all);
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  const int group = new_session ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP;
  ::posix_spawnattr_setflags(&attributes, static_cast<short>(group | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK));
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (std::string& text : strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> environment_strings(const core::Environment& env) {
  std::vector<std::string> out;
  out.reserve(env.size());
  for (const auto& [name, value] : env) out.push_back(name + '=' + value);
  return out;
}

core::UniqueFd above_targets(int fd) { return core::UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, k_first_source_fd)); }

core::Error spawn_error(const SpawnRequest& request, int err) {
  return text::system_error("start '" + request.executable + "'", err);
}

}  // namespace

core::Result<pid_t> spawn(const SpawnRequest& request) {
  FileActions actions;
  core::UniqueFd sources[3];
  const auto pass = [&](core::UniqueFd& source, int fd, int target) {
    if (fd < 0) return ::posix_spawn_file_actions_addopen(&actions.raw, target, "/dev/null", O_RDWR, 0);
    source = above_targets(fd);
    return source ? ::posix_spawn_file_actions_adddup2(&actions.raw, source.get(), target) : errno;
  };
  int err = ::posix_spawn_file_actions_addopen(&actions.raw, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (err == 0) err = pass(sources[0], request.output_fd, STDOUT_FILENO);
  if (err == 0) err = pass(sources[1], request.error_fd >= 0 ? request.error_fd : request.output_fd, STDERR_FILENO);
  if (err == 0 && request.extra_fd >= 0) err = pass(sources[2], request.extra_fd, k_extra_fd);
  // What the caller got from its own parent must not live on in a daemon: a reader would wait for the end of that pipe.
  const int first_closed = request.extra_fd >= 0 ? k_extra_fd + 1 : k_extra_fd;
  if (err == 0) err = ::posix_spawn_file_actions_addclosefrom_np(&actions.raw, first_closed);
  if (err == 0 && !request.cwd.empty()) err = ::posix_spawn_file_actions_addchdir_np(&actions.raw, request.cwd.c_str());
  if (err != 0) return spawn_error(request, err);

  Attributes attributes;
  reset_signals(attributes.raw, request.new_session);
  std::vector<std::string> arguments = request.arguments;
  std::vector<std::string> environment = request.env != nullptr ? environment_strings(*request.env) : std::vector<std::string>();
  pid_t pid = 0;
  err = ::posix_spawn(&pid, request.executable.c_str(), &actions.raw, &attributes.raw, pointers(arguments).data(),
                      request.env != nullptr ? pointers(environment).data() : ::environ);
  if (err != 0) return spawn_error(request, err);
  return pid;
}

std::optional<int> wait_for_exit(pid_t pid, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const auto pidfd = open_pidfd(pid);
  for (;;) {
    int status = 0;
    const pid_t reaped = ::waitpid(pid, &status, WNOHANG);
    if (reaped == pid) return status;
    if (reaped < 0 && errno != EINTR) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return std::nullopt;
    // Without a pidfd (an old kernel, no descriptor left): look again every 10 ms.
    struct pollfd ended {pidfd ? pidfd->get() : -1, POLLIN, 0};
    (void)::poll(&ended, 1, static_cast<int>(std::min<long long>(left, pidfd ? 60000 : 10)));
  }
}

int terminate(pid_t pid, std::chrono::milliseconds grace) {
  (void)signal_group(pid, SIGTERM);
  if (const auto status = wait_for_exit(pid, grace)) return *status;
  (void)signal_group(pid, SIGKILL);
  return wait_for_exit(pid, std::chrono::milliseconds(5000)).value_or(-1);
}

}  // namespace pf::ctl
