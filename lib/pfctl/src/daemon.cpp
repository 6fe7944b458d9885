#include <pfctl/daemon.hpp>

#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <optional>
#include <utility>

#include <pfctl/daemon_log.hpp>
#include <pfctl/daemon_process.hpp>
#include <pfctl/listener.hpp>
#include <pfctl/lock.hpp>
#include <pfctl/server.hpp>
#include <pfctl/worker_count.hpp>

namespace pf::ctl {
namespace {

constexpr int k_exit_cannot_serve = 72;

// Everything that names this daemon in the file system. Only touched with the life lock held.
class Presence {
 public:
  Presence(const Address& address, FileLock lock) : address_(address), lock_(std::move(lock)) {}
  Presence(const Presence&) = delete;
  Presence& operator=(const Presence&) = delete;

  [[nodiscard]] core::Status announce() {
    auto listener = bind_listener(address_, lock_);
    if (!listener) return std::move(listener).error();
    listener_ = std::move(*listener);
    return core::ok_status();
  }
  bool withdraw() {
    if (listener_) listener_->unlink_if_ours();
    return true;
  }
  ~Presence() {
    if (!lock_.still_in_place(address_.dir.get())) return;   // the names may be somebody else's by now
    withdraw();
    ::unlinkat(address_.dir.get(), address_.pid.c_str(), 0);
    ::unlinkat(address_.dir.get(), address_.note.c_str(), 0);
  }

  [[nodiscard]] int listener_fd() const { return listener_ ? listener_->fd() : -1; }
  [[nodiscard]] bool reachable() const { return listener_ && listener_->still_in_place(); }
  [[nodiscard]] bool owned() const { return lock_.still_in_place(address_.dir.get()); }

 private:
  const Address& address_;
  FileLock lock_;
  std::optional<Listener> listener_;
};

// Tells when something in the address's folder was removed or renamed: somebody may have taken the socket away. Costs
// nothing while nothing happens; without inotify the daemon is merely not re-bound.
class FolderWatch {
 public:
  FolderWatch(Loop& loop, const std::string& folder, std::function<void()> on_change)
      : fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)), watch_(loop) {
    if (!fd_.valid()) return;
    if (::inotify_add_watch(fd_.get(), folder.c_str(), IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF) < 0) return;
    auto opened = watch_.open(fd_.get(), [this, on_change = std::move(on_change)](FdWatch::Ready) {
      std::array<char, 4096> buffer;
      while (::read(fd_.get(), buffer.data(), buffer.size()) > 0) {}
      on_change();
    });
    if (opened) watch_.want(true, false);
  }

 private:
  core::UniqueFd fd_;
  FdWatch watch_;
};

int cannot_serve(DaemonLog& log, ReadinessPipe& readiness, const std::string& why) {
  log.line(why);
  readiness.fail(why);
  return k_exit_cannot_serve;
}

// A run costs a descriptor per worker. Returns what the processes below are to have, which is what it was.
std::optional<struct rlimit> raise_descriptor_limit() {
  struct rlimit before{};
  if (::getrlimit(RLIMIT_NOFILE, &before) != 0) return std::nullopt;
  struct rlimit raised = before;
  raised.rlim_cur = std::max(before.rlim_cur, std::min<rlim_t>(before.rlim_max, 65536));
  if (::setrlimit(RLIMIT_NOFILE, &raised) != 0) return std::nullopt;
  return before;
}

ServerSettings server_settings(const DaemonOptions& options) {
  ServerSettings settings;
  settings.address = options.address.socket_path();
  settings.root = options.root;
  settings.ttl = options.ttl;
  settings.pool.forkserver_path = options.forkserver_path;
  settings.pool.python = options.python;
  settings.pool.root = options.root;
  settings.pool.boot_deadline = options.boot_deadline;
  settings.pool.scope_all = options.scope_all;
  settings.pool.nofile = raise_descriptor_limit();
  settings.run.default_workers = options.default_workers;
  if (settings.run.default_workers == 0) settings.run.default_workers = static_cast<std::size_t>(std::max(1, default_worker_count()));
  settings.run.times.select = options.boot_deadline;
  return settings;
}

void serve(const DaemonOptions& options, Loop& loop, DaemonLog& log, Presence& presence, ReadinessPipe& readiness) {
  std::unique_ptr<Server> server;
  const auto announce = [&] {
    server->stop_listening();
    auto bound = presence.announce();
    if (!bound) log.line(bound.error().message);
    if (auto listening = server->listen(presence.listener_fd()); !listening) log.line(listening.error().message);
  };
  server = std::make_unique<Server>(loop, log, server_settings(options), Server::Hooks{[&] { return presence.withdraw(); }, announce});
  if (auto listening = server->listen(presence.listener_fd()); !listening) {
    (void)cannot_serve(log, readiness, listening.error().message);
    return;
  }
  const FolderWatch folder(loop, options.address.dir_path, [&] {
    if (server->shutting_down()) return;
    if (!presence.owned()) {
      // Another daemon can take the address now, and nobody finds this one.
      log.line("leaving: the lock file or its folder was removed");
      server->shut_down(false);
    } else if (!presence.reachable()) {
      log.line("the socket was removed or replaced: binding it again");
      announce();
    }
  });
  const SignalWatch children(loop, SIGCHLD, [&] { server->reap(); });
  const SignalWatch terminate(loop, SIGTERM, [&] { server->shut_down(true); });
  const SignalWatch interrupt(loop, SIGINT, [&] { server->shut_down(true); });
  const SignalWatch hang_up(loop, SIGHUP, [&] { server->shut_down(true); });
  readiness.ready();
  log.line("serving " + options.root + " at " + options.address.socket_path());
  loop.run();
  server.reset();
}

}  // namespace

int run_daemon(DaemonOptions options) {
  std::signal(SIGPIPE, SIG_IGN);
  DaemonLog log;
  ReadinessPipe readiness = options.ready_fd >= 0 ? ReadinessPipe(options.ready_fd) : ReadinessPipe();
  const Address& address = options.address;
  auto lock = FileLock::try_lock(address.dir.get(), address.life_lock, address.path_of(address.life_lock));
  if (!lock) return cannot_serve(log, readiness, lock.error().message);
  if (!lock->has_value()) {
    const std::string holder = "the daemon with pid " + std::to_string(read_pid(address));
    return cannot_serve(log, readiness, "serve: " + holder + " holds " + address.path_of(address.life_lock));
  }
  Presence presence(address, std::move(**lock));
  if (auto bound = presence.announce(); !bound) return cannot_serve(log, readiness, bound.error().message);
  // A full disk hinders `pfast list`, nothing else.
  if (auto written = write_pid(address, ::getpid()); !written) log.line(written.error().message);
  if (auto written = write_note(address, options.root, options.python); !written) log.line(written.error().message);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  auto loop = Loop::create();
  if (!loop) return cannot_serve(log, readiness, loop.error().message);
  serve(options, **loop, log, presence, readiness);
  log.line("left");
  return 0;
}

}  // namespace pf::ctl
