// One run of a client: the shell around RunState. It owns the run's channels, its board and its descriptors, asks the
// pool for a generation, and turns frames, ends of processes and time into the machine's events. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pfcore/daemon_messages.hpp>
#include <pfcore/unique_fd.hpp>

#include <pfctl/board_memory.hpp>
#include <pfctl/channel.hpp>
#include <pfctl/daemon_log.hpp>
#include <pfctl/generation_pool.hpp>
#include <pfctl/history_store.hpp>
#include <pfctl/read_pace.hpp>
#include <pfctl/run_state.hpp>
#include <pfctl/worker_budget.hpp>

namespace pf::ctl {

// Where a run's events go. The run stops using it when client_gone() was called.
class RunClient {
 public:
  virtual ~RunClient() = default;
  virtual void send_event(std::string_view payload) = 0;
  // An event that may wait a few milliseconds for others: never behind one that came after it.
  virtual void send_result(std::string_view payload) { send_event(payload); }
  virtual void send_progress(std::string_view payload) = 0;   // may be dropped
  [[nodiscard]] virtual std::size_t queued_bytes() const = 0;
};

struct RunSettings {
  std::size_t default_workers = 1;
  RunTimes times{};
  std::size_t result_frame_bytes = 64u << 20;
};

class Run final : private GenerationUser, private RunEffects, private ChannelHandler {
 public:
  struct Context {
    Loop& loop;
    DaemonLog& log;
    GenerationPool& pool;
    const RunSettings& settings;
    HistoryStores& histories;
    WorkerBudget& budget;
    std::function<void()> on_done;          // no process of the run is left; called from the loop, once
  };

  // `streams`: the client's stdin, stdout, stderr.
  Run(Context context, std::int64_t id, core::RunRequest request, std::vector<core::UniqueFd> streams, RunClient& client);
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  ~Run() override;

  void start();
  [[nodiscard]] std::int64_t id() const noexcept { return id_; }
  [[nodiscard]] bool done() const noexcept { return done_; }
  [[nodiscard]] bool answered() const noexcept { return done_ || (state_ && state_->answered()); }
  // The client has its answer and asks for something else.
  void forget_client() noexcept { client_ = nullptr; }
  void interrupt();
  // Ctrl-Z in the client, and fg.
  void suspend();
  void resume();
  void kill();
  // Cancels the run at once and forgets the client.
  void client_gone();
  // The client read something: results that wait unread may go on.
  void client_read() { update_pressure(); }
  // A process that became the daemon's own child. False: it is not this run's.
  bool on_orphan_exited(std::int64_t pid, int status);
  [[nodiscard]] bool has_processes() const noexcept { return state_ && !state_->pids().empty(); }
  [[nodiscard]] bool owns_session(std::int64_t session) const;
  [[nodiscard]] core::RunStatus status(TimePoint now) const;

 private:
  struct WorkerLink;

  // GenerationUser
  [[nodiscard]] const core::RunRequest& request() const override { return request_; }
  [[nodiscard]] TimePoint received() const override { return received_; }
  void on_phase(std::string_view name, const std::string& detail) override;
  void on_generation(Generation& generation) override;
  void on_no_generation(const core::ErrorEvent& why) override;
  void on_forked(const core::Forked& forked) override;
  void on_child_exited(std::int64_t pid, int status) override;
  void on_generation_gone() override;

  // RunEffects
  void to_client(std::string_view payload) override;
  void result_to_client(std::string_view payload) override;
  void progress_to_client(std::string_view payload) override;
  void to_controller(std::string_view payload) override;
  [[nodiscard]] core::Result<core::RunBoard> start_workers(const core::Selected& selected, std::size_t workers, std::size_t at_once,
                                                           bool in_controller) override;
  [[nodiscard]] std::size_t free_workers(std::size_t wanted) override { return context_.budget.free_for(id_, wanted); }
  void note_workers(std::size_t workers) override { context_.budget.note(id_, workers); }
  [[nodiscard]] std::string memory_shortage() override;
  [[nodiscard]] std::int64_t oom_kills() override;
  [[nodiscard]] bool respawn(std::size_t slot) override;
  void signal_process(std::int64_t pid, int signal_number) override;
  void signal_group(std::int64_t pid, int signal_number) override;
  [[nodiscard]] Process look_at(std::int64_t pid) override;

  // ChannelHandler: the controller's channel
  void on_frame(Channel& channel, std::string_view payload) override;
  void on_end(Channel& channel, const core::Error& why) override;
  void on_sent(Channel&) override { update_pressure(); }

  void choose_start_method(const Generation& generation);
  [[nodiscard]] core::Status fork_on(Generation& generation);
  [[nodiscard]] const History* known_history(const core::Selected& selected);
  void remember();
  void on_controller_message(std::string_view type, const core::Value& message);
  void on_session_over(core::ControllerFinished finished);
  void on_looked(const core::ControllerFinished& finished, const std::optional<std::string>& change);
  void on_worker_frame(std::size_t slot, std::string_view payload);
  void on_worker_end(std::size_t slot, const core::Error& why);
  void on_worker_read(Channel& channel);
  void end_read_pause();
  [[nodiscard]] core::Result<core::UniqueFd> open_worker(std::size_t slot);
  void drain_worker(std::int64_t slot);
  void end_early(const core::ErrorEvent& why);
  void cancel_before_fork();
  void tick();
  [[nodiscard]] bool forkserver_is_lost(TimePoint now);
  void update_pressure();
  void after_event();
  void finish();

  Context context_;
  std::int64_t id_;
  core::RunRequest request_;
  std::vector<core::UniqueFd> streams_;
  RunClient* client_;
  TimePoint received_;
  Timer timer_;

  bool booted_ = false;                     // for this run
  std::optional<std::int64_t> generation_id_;
  std::uint32_t fork_attempts_ = 0;
  TimePoint fork_sent_{};
  std::unique_ptr<RunState> state_;
  std::unique_ptr<Channel> controller_;
  std::vector<std::unique_ptr<WorkerLink>> workers_;
  BoardMemory board_;
  bool paused_ = false;
  bool reads_in_turns_ = false;             // ReadPace says when
  ReadPace pace_;
  Timer pace_timer_;                        // running: channels of workers wait for the next window
  bool looking_ = false;                    // at the inputs, after the session and before the verdict
  std::vector<std::function<void()>> held_; // what the controller did meanwhile
  std::shared_ptr<Run*> self_ = std::make_shared<Run*>(this);
  bool remembered_ = false;                 // in the suite's history
  bool done_ = false;
};

}  // namespace pf::ctl
