// The daemon's heart: accepts clients, routes their verbs, owns generations and runs, reaps every process, and decides
// when to leave. All of it on one loop that nothing blocks. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <pfcore/unique_fd.hpp>

#include <pfctl/connection.hpp>
#include <pfctl/daemon_log.hpp>
#include <pfctl/generation_pool.hpp>
#include <pfctl/loop.hpp>
#include <pfctl/refresh.hpp>
#include <pfctl/run.hpp>
#include <pfctl/stray_reaper.hpp>
#include <pfctl/v1_bench.hpp>
#include <pfctl/watchers.hpp>

namespace pf::ctl {

struct ServerSettings {
  std::string address;                  // as status shows it
  std::string root;
  Milliseconds ttl{600000};
  std::size_t max_clients = 1024;
  std::int64_t companion = 0;           // a child that is nobody's stray: the watcher that was started before the daemon
  PoolSettings pool;
  RunSettings run;
  ConnectionLimits limits;
  // What a version 1 client cannot say: environment, folder, umask and options of its runs.
  core::RunRequest v1_request;
};

class Server final : private ConnectionHandler {
 public:
  struct Hooks {
    // The address must not lead here any more: called before the daemon leaves for want of work. False: it did not
    // work out, stay.
    std::function<bool()> withdraw;
    // Undoes withdraw: a client came at the last moment.
    std::function<void()> announce;
    // The life lock, for a daemon that is going to serve the same address.
    std::function<core::Result<core::UniqueFd>()> share_lock;
    // That daemon serves it now.
    std::function<void()> disown;
    // That daemon has not come so far: see that the address still leads here.
    std::function<void()> keep_address;
    // Moves the daemon to another address, which takes its time; `done` is called once, on the loop.
    std::function<void(const std::string& path, std::function<void(core::Status)> done)> promote;
  };

  Server(Loop& loop, DaemonLog& log, ServerSettings settings, Hooks hooks);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() override;

  // Starts to accept, or goes on with another listening socket. The descriptor stays the caller's.
  [[nodiscard]] core::Status listen(int fd);
  // Before that descriptor is closed.
  void stop_listening() noexcept { listener_watch_.stop(); }
  // Ends every run and generation and then the loop; at_once: does not wait for runs.
  void shut_down(bool at_once);
  [[nodiscard]] bool shutting_down() const noexcept { return shutting_down_; }
  // The address is a successor's, or about to be: whatever lies there is not this daemon's to mend.
  [[nodiscard]] bool handing_over() const noexcept { return retired_ || successor_ != 0; }
  // Children ended: SIGCHLD.
  void reap();
  // What status shows, after a promotion.
  void set_address(std::string address) { settings_.address = std::move(address); }

 private:
  void on_run(Connection& connection, core::RunRequest request, std::vector<core::UniqueFd> streams) override;
  void on_cancel(Connection& connection, const core::CancelRequest& request) override;
  void on_status(Connection& connection) override;
  void on_explain(Connection& connection) override;
  void on_shutdown(Connection& connection, const core::ShutdownRequest& request) override;
  void on_refresh(Connection& connection, core::RefreshRequest request) override;
  void on_watch(Connection& connection, const core::WatchRequest& request) override;
  void on_hand_over(Connection& connection, const core::HandOverRequest& request) override;
  void on_v1(Connection& connection, core::v1::Command command) override;
  void on_client_read(Connection& connection) override;
  void on_client_gone(Connection& connection) override;

  void start_run(Connection& connection, std::int64_t id, core::RunRequest request, std::vector<core::UniqueFd> streams, RunClient& client);
  void v1_run(Connection& connection, core::v1::RunCommand command);
  void start_v1_run(Connection& connection, std::int64_t id, core::RunRequest request);
  void v1_run_again(std::int64_t connection_id, V1Bench::Turn turn);
  void v1_status(Connection& connection, const core::v1::StatusCommand& command);
  void v1_shutdown(Connection& connection);
  void v1_promote(Connection& connection, const core::v1::PromoteCommand& command);
  [[nodiscard]] bool is_stale_for(const std::optional<std::string>& fingerprint) const;
  void leave_stale(Connection& connection);
  void say_v1_goodbyes();
  void accept_clients();
  bool accept_one();
  void refuse_one_without_descriptors();
  void start_refreshes();
  void on_run_done();
  void on_pool_change();
  void on_idle_long();
  void note_activity();
  void leave_when_done();
  void retire();
  void leave_when_retired();
  [[nodiscard]] bool busy() const;
  [[nodiscard]] Run* find_run(const Connection& connection);

  Loop& loop_;
  DaemonLog& log_;
  ServerSettings settings_;
  Hooks hooks_;
  TimePoint started_;
  int listener_fd_ = -1;
  FdWatch listener_watch_;
  core::UniqueFd spare_fd_;             // given up for a moment to tell a client that there are no descriptors
  WorkerBudget budget_;                 // before the runs that use it, too
  HistoryStores histories_;             // before the runs that use it
  Timer idle_timer_;
  Timer leave_timer_;
  Timer retire_timer_;
  std::map<std::int64_t, std::unique_ptr<Connection>> connections_;
  std::map<std::int64_t, std::unique_ptr<Run>> runs_;            // by run id
  std::map<std::int64_t, std::int64_t> run_of_connection_;
  std::unique_ptr<GenerationPool> pool_;
  std::map<std::int64_t, std::unique_ptr<Refresh>> refreshes_;   // by connection
  std::unique_ptr<Watchers> watchers_;
  StrayReaper strays_;
  std::vector<std::int64_t> v1_goodbyes_;                        // connections that asked the daemon to leave
  std::int64_t next_connection_ = 1;
  std::int64_t next_run_ = 1;
  std::int64_t newest_generation_ = 0;
  std::int64_t successor_ = 0;          // connection of the daemon that takes the address
  TimePoint last_activity_{};
  bool promoting_ = false;
  bool retired_ = false;
  bool shutting_down_ = false;
  bool at_once_ = false;
};

}  // namespace pf::ctl
