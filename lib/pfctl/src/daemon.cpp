#include <pfctl/daemon.hpp>

#include <fcntl.h>
#include <malloc.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include <pfctl/daemon_log.hpp>
#include <pfctl/daemon_process.hpp>
#include <pfctl/log_file.hpp>
#include <pfctl/machine_memory.hpp>
#include <pfctl/promotion.hpp>
#include <pfctl/server.hpp>
#include <pfctl/v1_client.hpp>
#include <pfctl/worker_count.hpp>

#include "presence.hpp"
#include "start_up_pages.hpp"

namespace pf::ctl {
namespace {

constexpr int k_exit_cannot_serve = 72;
constexpr int k_own_mapping_bytes = 256 << 10;
constexpr Milliseconds k_take_over{25000};     // less than a starter waits

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
  settings.companion = options.companion;
  settings.pool.forkserver_path = options.forkserver_path;
  settings.pool.python = options.python;
  settings.pool.root = options.root;
  settings.pool.boot_deadline = options.boot_deadline;
  settings.pool.max_bytes = options.memory_bytes > 0 ? options.memory_bytes : machine_memory_bytes() / 2;
  settings.pool.scope_all = options.scope_all;
  settings.pool.session_plugins = options.session_plugins;
  settings.pool.checkpoints = options.checkpoints;
  settings.pool.nofile = raise_descriptor_limit();
  settings.run.default_workers = options.default_workers;
  if (settings.run.default_workers == 0) settings.run.default_workers = static_cast<std::size_t>(std::max(1, default_worker_count()));
  settings.run.times.select = options.boot_deadline;
  settings.v1_request = options.v1_request;
  return settings;
}

// Output that goes to the log of one address goes to another's from now on; a terminal's stays where it is.
void move_output(const struct stat& before, const Address& address) {
  struct stat now;
  auto log = open_log(address);
  if (!log) return;
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    if (::fstat(fd, &now) == 0 && now.st_dev == before.st_dev && now.st_ino == before.st_ino) (void)::dup2(log->get(), fd);
  }
}

class Daemon {
 public:
  Daemon(DaemonOptions options, DaemonLog& log, ReadinessPipe readiness)
      : options_(std::move(options)), log_(log), readiness_(std::move(readiness)) {}

  int run();

 private:
  [[nodiscard]] core::Status settle();
  void serve();
  void announce();
  void keep_address();
  void promote(const std::string& path, std::function<void(core::Status)> done);
  [[nodiscard]] core::Status move(core::Result<Promotion> promotion);
  int cannot_serve(const std::string& why);

  DaemonOptions options_;
  DaemonLog& log_;
  ReadinessPipe readiness_;
  std::unique_ptr<Presence> presence_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<std::atomic<bool>> leaving_ = std::make_shared<std::atomic<bool>>(false);
};

int Daemon::cannot_serve(const std::string& why) {
  log_.line(why);
  readiness_.fail(why);
  return k_exit_cannot_serve;
}

// The address is ours afterwards, as far as that depends on us: a predecessor keeps it until Presence::confirm.
core::Status Daemon::settle() {
  auto address = clone(options_.address);
  if (!address) return std::move(address).error();
  auto claim = options_.take_over ? take_over_address(*address, k_take_over) : claim_address(*address);
  if (!claim) return std::move(claim).error();
  if (options_.take_over && !claim->predecessor) {
    if (auto ended = end_v1_daemon(*address, k_take_over, [] { return false; }); !ended) return ended;
  }
  presence_ = std::make_unique<Presence>(std::move(*address), std::move(*claim));
  return presence_->announce();
}

void Daemon::announce() {
  server_->stop_listening();
  if (auto bound = presence_->announce(); !bound) log_.line(bound.error().message);
  if (auto listening = server_->listen(presence_->listener_fd()); !listening) log_.line(listening.error().message);
}

// Something in the folder was removed or renamed.
void Daemon::keep_address() {
  if (server_->shutting_down() || server_->handing_over()) return;
  if (!presence_->owned() || !presence_->findable()) {
    // Another daemon can take the address now, and nobody finds this one.
    log_.line("leaving: the lock file or its folder was removed or renamed");
    server_->shut_down(false);
  } else if (!presence_->reachable()) {
    log_.line("the socket was removed or replaced: binding it again");
    announce();
  }
}

// The other daemon is dealt with on a thread: it may have a run to finish.
void Daemon::promote(const std::string& path, std::function<void(core::Status)> done) {
  struct Job {
    std::string path;
    core::Result<Address> from;
    core::Result<Promotion> promotion = core::Error{};
  };
  auto job = std::make_shared<Job>(Job{path, clone(presence_->address())});
  loop_->queue_work(
      [job, leaving = leaving_] {
        if (!job->from) job->promotion = std::move(job->from).error();
        else job->promotion = prepare_promotion(*job->from, job->path, [leaving] { return leaving->load(); });
      },
      [this, job, leaving = leaving_, done = std::move(done)] {
        if (!leaving->load()) done(move(std::move(job->promotion)));   // else nobody is left to be told
      });
}

core::Status Daemon::move(core::Result<Promotion> promotion) {
  if (!promotion) return std::move(promotion).error();
  if (server_->shutting_down() || server_->handing_over()) {
    return core::Error{core::ErrorCode::refused, "move to '" + promotion->address.socket_path() + "': the daemon is about to leave", 0, 0};
  }
  struct stat old_log;
  const Address& from = presence_->address();
  const bool has_log = ::fstatat(from.dir.get(), from.log.c_str(), &old_log, AT_SYMLINK_NOFOLLOW) == 0;
  if (auto moved = presence_->move_to(std::move(promotion->address), std::move(promotion->claim)); !moved) return moved;
  presence_->confirm();
  presence_->describe(log_, options_.root, options_.python);
  server_->set_address(presence_->address().socket_path());
  if (has_log) move_output(old_log, presence_->address());
  return core::ok_status();
}

void Daemon::serve() {
  Server::Hooks hooks;
  hooks.withdraw = [this] { return presence_->withdraw(); };
  hooks.announce = [this] { announce(); };
  hooks.share_lock = [this] { return presence_->share_lock(); };
  hooks.disown = [this] { presence_->disown(); };
  hooks.keep_address = [this] { keep_address(); };
  hooks.promote = [this](const std::string& path, std::function<void(core::Status)> done) { promote(path, std::move(done)); };
  server_ = std::make_unique<Server>(*loop_, log_, server_settings(options_), std::move(hooks));
  if (auto listening = server_->listen(presence_->listener_fd()); !listening) {
    (void)cannot_serve(listening.error().message);
    return;
  }
  const FolderWatch folder(*loop_, options_.address.dir_path, [this] { keep_address(); });
  const SignalWatch children(*loop_, SIGCHLD, [this] { server_->reap(); });
  const SignalWatch terminate(*loop_, SIGTERM, [this] { server_->shut_down(true); });
  const SignalWatch interrupt(*loop_, SIGINT, [this] { server_->shut_down(true); });
  const SignalWatch hang_up(*loop_, SIGHUP, [this] { server_->shut_down(true); });
  presence_->confirm();
  presence_->describe(log_, options_.root, options_.python);
  readiness_.ready();
  log_.line("serving " + options_.root + " at " + presence_->address().socket_path());
  drop_start_up_pages();
  loop_->run();
  leaving_->store(true);
  server_.reset();
}

int Daemon::run() {
  if (auto settled = settle(); !settled) return cannot_serve(settled.error().message);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  auto loop = Loop::create();
  if (!loop) return cannot_serve(loop.error().message);
  loop_ = std::move(*loop);
  serve();
  log_.line("left");
  return 0;
}

}  // namespace

int run_daemon(DaemonOptions options) {
  std::signal(SIGPIPE, SIG_IGN);
  // By default glibc raises this limit with every large block that is freed, and what a large frame took is kept for good.
  ::mallopt(M_MMAP_THRESHOLD, k_own_mapping_bytes);
  ::mallopt(M_TRIM_THRESHOLD, k_own_mapping_bytes);
  DaemonLog log;
  ReadinessPipe readiness = options.ready_fd >= 0 ? ReadinessPipe(options.ready_fd) : ReadinessPipe();
  return Daemon(std::move(options), log, std::move(readiness)).run();
}

}  // namespace pf::ctl
