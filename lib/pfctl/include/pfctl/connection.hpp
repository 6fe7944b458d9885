// One client of the daemon: greeting, commands, and the events that go back.
//
// Bounded on every side: 64 KiB before the greeting (but for a run of version 1, which may name many items) and 16 MiB per
// command, five seconds from a command's first byte to its last, and a queue of events from which progress is dropped first; a client that takes nothing for ten
// seconds while something is queued is disconnected, which cancels its run. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <pfcore/daemon_messages.hpp>
#include <pfcore/messages_v1.hpp>
#include <pfcore/watch_messages.hpp>
#include <pfcore/unique_fd.hpp>

#include <pfctl/channel.hpp>
#include <pfctl/loop.hpp>
#include <pfctl/run.hpp>
#include <pfctl/v1_run_client.hpp>

namespace pf::ctl {

class Connection;

class ConnectionHandler {
 public:
  virtual ~ConnectionHandler() = default;
  // `streams`: the client's stdin, stdout, stderr.
  virtual void on_run(Connection& connection, core::RunRequest request, std::vector<core::UniqueFd> streams) = 0;
  virtual void on_cancel(Connection& connection, const core::CancelRequest& request) = 0;
  virtual void on_status(Connection& connection) = 0;
  virtual void on_explain(Connection& connection) = 0;
  virtual void on_shutdown(Connection& connection, const core::ShutdownRequest& request) = 0;
  virtual void on_refresh(Connection& connection, core::RefreshRequest request) = 0;
  virtual void on_watch(Connection& connection, const core::WatchRequest& request) = 0;
  virtual void on_hand_over(Connection& connection, const core::HandOverRequest& request) = 0;
  // The one command of a client that speaks version 1.
  virtual void on_v1(Connection& connection, core::v1::Command command) = 0;
  // The client read some of what was queued.
  virtual void on_client_read(Connection& connection) = 0;
  // The connection is over, once; the connection must not be destroyed in this call.
  virtual void on_client_gone(Connection& connection) = 0;
};

struct ConnectionLimits {
  std::size_t greeting_bytes = 64u << 10;
  std::size_t command_bytes = 16u << 20;
  Milliseconds command{5000};
  Milliseconds stall{10000};
  std::size_t droppable_bytes = 256u << 10;   // progress is not queued behind more than this
  std::size_t queue_bytes = 256u << 20;       // past this the client is disconnected
};

class Connection final : public RunClient, public V1Answers, private ChannelHandler {
 public:
  Connection(Loop& loop, ConnectionHandler& handler, std::int64_t id, ConnectionLimits limits = {});
  // Errors: system.
  [[nodiscard]] core::Status open(core::UniqueFd socket) { return channel_.open(std::move(socket)); }

  [[nodiscard]] std::int64_t id() const noexcept { return id_; }
  [[nodiscard]] bool greeted() const noexcept { return greeted_; }
  [[nodiscard]] bool is_open() const noexcept { return channel_.is_open(); }
  void send_event(std::string_view payload) override;
  void send_event(std::string_view payload, std::vector<core::UniqueFd> fds);
  void send_result(std::string_view payload) override;
  void send_progress(std::string_view payload) override;
  [[nodiscard]] std::size_t queued_bytes() const override { return channel_.queued_bytes(); }
  void send_answer(std::string_view payload) override { send_event(payload); }
  void send_droppable_answer(std::string_view payload) override { send_progress(payload); }
  void send_last_answer(std::string_view payload) override;
  [[nodiscard]] std::size_t queued_answer_bytes() const override { return queued_bytes(); }
  // Keeps what translates a run's events for this client, as long as the connection.
  void keep(std::unique_ptr<RunClient> translator) { translator_ = std::move(translator); }
  [[nodiscard]] RunClient* translator() const noexcept { return translator_.get(); }
  // Sends the reason and closes once it is written.
  void refuse(std::string code, std::string message, std::string hint);
  void close();

 private:
  void on_frame(Channel& channel, std::string_view payload) override;
  void on_end(Channel& channel, const core::Error& why) override;
  bool on_broken(Channel& channel, const core::Error& why) override;
  void on_read(Channel& channel) override;
  void on_sent(Channel& channel) override;
  void greet(const core::Value& root);
  void v1_command(const core::Value& root);
  [[nodiscard]] bool is_too_large(std::string_view begun) const;
  void refuse_large_greeting();
  void command(const core::Value& root);
  void run_command(const core::Value& root);
  void refresh_command(const core::Value& root);
  void note_queued();
  void gone();

  ConnectionHandler& handler_;
  std::int64_t id_;
  ConnectionLimits limits_;
  Channel channel_;
  Timer command_timer_;
  Timer stall_timer_;
  Timer results_timer_;            // running: results are queued that nothing was written for
  std::unique_ptr<RunClient> translator_;
  bool greeted_ = false;
  bool v1_ = false;                // has said all that a client of version 1 says
  bool gone_ = false;
};

}  // namespace pf::ctl
