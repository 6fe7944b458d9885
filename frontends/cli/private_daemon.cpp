#include "private_daemon.hpp"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include <pfctl/environment.hpp>
#include <pfctl/process_info.hpp>

namespace pf::cli {
namespace {

constexpr std::string_view k_prefix = "/pfast-";
constexpr int k_patience_ms = 5000;                 // for a daemon that was told to leave

core::Result<std::string> make_private_folder(const core::Environment& env) {
  std::string folder(ctl::find_env_text(env, "TMPDIR").value_or("/tmp"));
  folder.append(k_prefix).append("XXXXXX");
  if (::mkdtemp(folder.data()) == nullptr) {
    return core::Error::from_errno("make a private folder '" + folder + "' (TMPDIR, else /tmp)", errno);
  }
  return folder;
}

bool has_ended(pid_t pid, int timeout_ms) {
  const auto pidfd = ctl::open_pidfd(pid);
  if (!pidfd) return pidfd.error().code == core::ErrorCode::not_found;
  struct pollfd end {pidfd->get(), POLLIN, 0};
  int ready;
  do ready = ::poll(&end, 1, timeout_ms);
  while (ready < 0 && errno == EINTR);
  return ready > 0;
}

}  // namespace

core::Result<std::unique_ptr<PrivateDaemon>> PrivateDaemon::start(Context& context) {
  std::unique_ptr<PrivateDaemon> daemon(new PrivateDaemon());
  auto folder = make_private_folder(context.env);
  if (!folder) return std::move(folder).error();
  daemon->folder_ = std::move(*folder);
  auto address = ctl::explicit_address(daemon->folder_ + "/s");
  if (!address) return std::move(address).error();
  context.address = std::move(*address);
  context.explicit_address = true;
  ctl::StartOptions start = start_options(context, std::nullopt);
  start.arguments.insert(start.arguments.end(), {"--owner-pid", std::to_string(::getpid()), "--private-folder"});
  auto started = ctl::start_daemon(context.address, start);
  if (!started) return std::move(started).error();
  daemon->pid_ = started->pid;
  return daemon;
}

PrivateDaemon::~PrivateDaemon() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    // What it leaves unfinished by then dies with it.
    if (!has_ended(pid_, k_patience_ms)) ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {}
  }
  if (!folder_.empty()) remove_private_folder(folder_);
}

bool end_with_owner(pid_t owner) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
  return ::getppid() == owner;   // gone before the line above: no signal would come
}

void remove_private_folder(const std::string& folder) {
  const std::size_t name = folder.rfind('/');
  if (name == folder.npos || std::string_view(folder).substr(name).find(k_prefix) != 0) return;
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

}  // namespace pf::cli
