#include <pfctl/server.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <pfctl/peer.hpp>
#include <pfctl/process_info.hpp>

namespace pf::ctl {
namespace {

constexpr int k_accepts_per_turn = 64;
constexpr Milliseconds k_leave_limit{4000};

core::UniqueFd open_spare() { return core::UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

Server::Server(Loop& loop, DaemonLog& log, ServerSettings settings, Hooks hooks)
    : loop_(loop),
      log_(log),
      settings_(std::move(settings)),
      hooks_(std::move(hooks)),
      started_(loop.now()),
      listener_watch_(loop),
      spare_fd_(open_spare()),
      budget_(settings_.run.default_workers),
      histories_(loop, log),
      idle_timer_(loop, [this] { on_idle_long(); }),
      leave_timer_(loop, [this] { loop_.stop(); }),
      retire_timer_(loop, [this] { leave_when_retired(); }),
      pool_(std::make_unique<GenerationPool>(loop, log, settings_.pool, [this] { on_pool_change(); })),
      watchers_(std::make_unique<Watchers>(loop, log, *pool_)),
      strays_(loop, StrayReaper::World{
                        [this](std::int64_t pid) { return pid == settings_.companion || pool_->owns_process(pid); },
                        [this](std::int64_t session) {
                          if (pool_->collects_in(session)) return true;
                          for (const auto& [id, run] : runs_) {
                            if (run->owns_session(session)) return true;
                          }
                          return false;
                        },
                        [this] {
                          return std::any_of(runs_.begin(), runs_.end(), [](const auto& entry) { return entry.second->has_processes(); });
                        },
                        [this](std::int64_t generation) { return pool_->knows(generation); },
                        [this] { leave_when_done(); },
                    }) {
  note_activity();
}

Server::~Server() {
  loop_.run_deferred();          // tasks that refer to this object
  watchers_.reset();
  runs_.clear();                 // they release their generations
  refreshes_.clear();
  connections_.clear();
}

// ---------------------------------------------------------------- clients

core::Status Server::listen(int fd) {
  listener_fd_ = fd;
  if (auto watched = listener_watch_.open(fd, [this](FdWatch::Ready) { accept_clients(); }); !watched) return watched;
  listener_watch_.want(true, false);
  return core::ok_status();
}

void Server::accept_clients() {
  for (int i = 0; i < k_accepts_per_turn && accept_one(); ++i) {}
}

bool Server::accept_one() {
  core::UniqueFd socket(::accept4(listener_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket.valid()) {
    if (errno == EINTR || errno == ECONNABORTED) return true;
    if (errno == EMFILE || errno == ENFILE) refuse_one_without_descriptors();
    return false;
  }
  if (!check_peer(socket.get())) return true;   // another user: not even a reason
  note_activity();
  ConnectionHandler& handler = *this;
  auto connection = std::make_unique<Connection>(loop_, handler, next_connection_++, settings_.limits);
  if (!connection->open(std::move(socket))) return true;
  Connection& added = *connection;
  connections_[added.id()] = std::move(connection);
  if (connections_.size() > settings_.max_clients) {
    added.refuse("busy", "serve another client: " + std::to_string(settings_.max_clients) + " are connected", "");
  }
  return true;
}

// Without this the listener stays readable and the loop spins.
void Server::refuse_one_without_descriptors() {
  spare_fd_.reset();
  core::UniqueFd socket(::accept4(listener_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (socket.valid()) {
    core::ErrorEvent event;
    event.code = "busy";
    event.message = "serve another client: the daemon has no file descriptors left";
    event.hint = "see `ulimit -n`, and `pfast status` for what runs";
    if (auto frame = core::encode_frame(core::encode(event))) {
      (void)::send(socket.get(), frame->data(), frame->size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    socket.reset();
  }
  spare_fd_ = open_spare();
}

void Server::on_client_read(Connection& connection) {
  if (Run* run = find_run(connection)) run->client_read();
}

void Server::on_client_gone(Connection& connection) {
  if (Run* run = find_run(connection)) run->client_gone();
  run_of_connection_.erase(connection.id());
  if (watchers_) watchers_->remove(connection.id());
  if (const auto refresh = refreshes_.find(connection.id()); refresh != refreshes_.end()) {
    std::shared_ptr<Refresh> left(std::move(refresh->second));   // what boots for it goes on
    refreshes_.erase(refresh);
    loop_.defer([left] {});
  }
  const auto found = connections_.find(connection.id());
  if (found == connections_.end()) return;
  std::shared_ptr<Connection> dead(std::move(found->second));   // its callback is on the stack
  connections_.erase(found);
  loop_.defer([dead] {});
  if (connection.id() == successor_) {
    successor_ = 0;
    hooks_.keep_address();
  }
}

// ---------------------------------------------------------------- verbs

Run* Server::find_run(const Connection& connection) {
  const auto link = run_of_connection_.find(connection.id());
  if (link == run_of_connection_.end()) return nullptr;
  const auto run = runs_.find(link->second);
  return run == runs_.end() ? nullptr : run->second.get();
}

void Server::on_run(Connection& connection, core::RunRequest request, std::vector<core::UniqueFd> streams) {
  if (shutting_down_) {
    connection.refuse("shutting-down", "start a run: the daemon is about to leave", "run it again: a new daemon will start");
    return;
  }
  if (Run* run = find_run(connection)) {
    if (!run->answered()) {
      connection.refuse("busy", "start a second run on a connection whose run goes on", "");
      return;
    }
    run->forget_client();
  }
  start_run(connection, next_run_++, std::move(request), std::move(streams), connection);
}

void Server::start_run(Connection& connection, std::int64_t id, core::RunRequest request, std::vector<core::UniqueFd> streams,
                       RunClient& client) {
  note_activity();
  Run::Context context{loop_, log_, *pool_, settings_.run, histories_, budget_, [this] { on_run_done(); }};
  auto run = std::make_unique<Run>(std::move(context), id, std::move(request), std::move(streams), client);
  Run& added = *run;
  runs_[id] = std::move(run);
  run_of_connection_[connection.id()] = id;
  added.start();
}

void Server::on_cancel(Connection& connection, const core::CancelRequest& request) {
  Run* run = find_run(connection);
  if (run == nullptr) return;            // it has ended meanwhile
  if (request.how == "kill") run->kill();
  else if (request.how == "suspend") run->suspend();
  else if (request.how == "resume") run->resume();
  else run->interrupt();
}

void Server::on_status(Connection& connection) {
  const TimePoint now = loop_.now();
  core::StatusReply reply;
  reply.pid = ::getpid();
  reply.address = settings_.address;
  reply.version = PF_VERSION;
  reply.uptime_s = std::chrono::duration<double>(now - started_).count();
  reply.rss_bytes = process_rss_bytes(reply.pid);
  reply.generations = pool_->status(now);
  for (const auto& [id, run] : runs_) {
    if (!run->answered()) reply.runs.push_back(run->status(now));
  }
  reply.clients = static_cast<std::int64_t>(connections_.size());
  reply.root = settings_.root;
  reply.python = settings_.pool.python;
  reply.ttl_s = std::chrono::duration<double>(settings_.ttl).count();
  connection.send_event(core::encode(reply));
}

void Server::on_shutdown(Connection& connection, const core::ShutdownRequest& request) {
  connection.send_event(core::encode(core::ShutdownReply{}));
  shut_down(request.now);
}

void Server::on_refresh(Connection& connection, core::RefreshRequest request) {
  if (shutting_down_) {
    connection.refuse("shutting-down", "refresh: the daemon is about to leave", "run it again: a new daemon will start");
    return;
  }
  if (refreshes_.contains(connection.id())) {
    connection.refuse("busy", "start a second refresh on a connection whose refresh goes on", "");
    return;
  }
  note_activity();
  const std::int64_t id = connection.id();
  refreshes_[id] = std::make_unique<Refresh>(loop_, *pool_, next_run_++, std::move(request), connection, [this, id] {
    refreshes_.erase(id);
    note_activity();
    leave_when_done();
  });
  start_refreshes();
}

// A watcher's refresh takes no processor from a run.
void Server::start_refreshes() {
  for (const auto& [id, refresh] : refreshes_) {
    if (!refresh->started() && (!refresh->only_stale() || runs_.empty())) refresh->start();
  }
}

void Server::on_watch(Connection& connection, const core::WatchRequest& request) {
  if (retired_ || shutting_down_) {
    connection.refuse("shutting-down", "watch: the daemon is about to leave", "");
    return;
  }
  watchers_->add(connection, request);
}

// ---------------------------------------------------------------- processes

void Server::reap() {
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid <= 0) break;
    strays_.on_exited(pid);
    if (pool_->on_process_exited(pid, status)) continue;
    for (const auto& [id, run] : runs_) {
      if (run->on_orphan_exited(pid, status)) break;
    }
  }
}

void Server::on_run_done() {
  std::vector<std::shared_ptr<Run>> dead;
  for (auto it = runs_.begin(); it != runs_.end();) {
    if (!it->second->done()) {
      ++it;
      continue;
    }
    std::erase_if(run_of_connection_, [&](const auto& link) { return link.second == it->first; });
    dead.emplace_back(std::move(it->second));
    it = runs_.erase(it);
  }
  note_activity();
  strays_.sweep();
  start_refreshes();
  leave_when_done();
}

void Server::on_pool_change() {
  const std::int64_t newest = pool_->newest();
  if (newest != newest_generation_ && !pool_->booting()) {
    newest_generation_ = newest;
    strays_.adopt(newest);
  }
  if (watchers_) watchers_->sync();
  note_activity();
  if (!pool_->booting()) strays_.sweep();
  leave_when_done();
}

// ---------------------------------------------------------------- the end

bool Server::busy() const { return !runs_.empty() || !refreshes_.empty() || successor_ != 0 || promoting_ || pool_->booting() || watchers_->keep_daemon(); }

void Server::note_activity() {
  last_activity_ = loop_.now();
  if (!shutting_down_ && !retired_) idle_timer_.start(settings_.ttl);
}

void Server::on_idle_long() {
  if (busy()) {
    note_activity();
    return;
  }
  // From here on nobody finds the way; who is in the queue already is served, and the daemon stays for them.
  if (!hooks_.withdraw()) {
    note_activity();
    return;
  }
  const std::int64_t before = next_connection_;
  accept_clients();
  if (next_connection_ != before) {
    hooks_.announce();
    note_activity();
    return;
  }
  log_.line("leaving: nothing to do for " + std::to_string(settings_.ttl.count() / 1000) + " s");
  shut_down(true);
}

void Server::shut_down(bool at_once) {
  if (!std::exchange(shutting_down_, true)) {
    idle_timer_.stop();
    log_.line(at_once ? "shutting down" : "shutting down when the runs are over");
  }
  if (at_once && !std::exchange(at_once_, true)) {
    for (const auto& [id, run] : runs_) run->kill();
    leave_timer_.start(k_leave_limit);
  }
  loop_.defer([this] { leave_when_done(); });
}

void Server::leave_when_done() {
  if (!shutting_down_ || !runs_.empty()) return;
  say_v1_goodbyes();
  pool_->close(at_once_);
  if (!leave_timer_.active()) leave_timer_.start(k_leave_limit);
  if (pool_->empty() && !strays_.busy()) loop_.stop();
}

}  // namespace pf::ctl
