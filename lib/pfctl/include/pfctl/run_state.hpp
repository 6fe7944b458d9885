// One run, as a state machine without sockets, processes or clocks: it is told what happened and at what time, and acts
// through RunEffects. Run (run.hpp) is the shell around it; unit tests drive it with a fake clock.
//
//   forking -> selecting -> running ------> ending -> leaving -> done
//                        -> inline_run ------------->
//                        -> session_over ----------->
//
// Every path sends the client exactly one FinishedEvent or ErrorEvent, on the way to `leaving` at the latest. Not
// thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <pfcore/daemon_messages.hpp>
#include <pfcore/run_board.hpp>
#include <pfcore/run_tally.hpp>

#include <pfctl/loop.hpp>
#include <pfctl/run_account.hpp>
#include <pfctl/run_measurements.hpp>

namespace pf::ctl {

inline constexpr int k_code_internal_error = 3;   // pytest's: the session itself went wrong

struct RunTimes {
  Milliseconds fork{5000};              // the forkserver's answer
  Milliseconds select{30000};           // Forked -> Selected
  Milliseconds interrupt_grace{2000};   // SIGINT -> SIGTERM
  Milliseconds teardown_grace{60000};   // the same, of a process that is tearing down or ends its session
  Milliseconds gone_grace{5000};        // the same when the client is gone: nobody can press Ctrl-C again
  Milliseconds terminate_grace{500};    // SIGTERM -> SIGKILL
  Milliseconds kill_grace{500};         // cancel "kill": SIGINT -> SIGKILL
  Milliseconds dump_grace{200};         // time limit: SIGUSR1 -> SIGTERM
  Milliseconds exit_grace{5000};        // WorkerFinished -> exit: the suite's exit functions run there
  Milliseconds leave_grace{2000};       // the client has its answer -> every process is gone
  Milliseconds silence{1000};           // end of a channel, or a stopped process -> SIGKILL
  Milliseconds progress{100};
};

struct RunSetup {
  std::int64_t id = 0;
  core::RunOptions options;
  std::size_t default_workers = 1;
  std::size_t processors = 1;           // that the run may use
  TimePoint received{};                 // when the daemon read the request
  double wait_ms = 0;                   // filled in by whoever waited
  double boot_ms = 0;
  RunTimes times{};
};

// What the machine asks its shell to do. Each call returns at once; pids are > 1.
class RunEffects {
 public:
  virtual ~RunEffects() = default;
  virtual void to_client(std::string_view payload) = 0;
  virtual void result_to_client(std::string_view payload) { to_client(payload); }   // may wait a little for others
  virtual void progress_to_client(std::string_view payload) = 0;    // may be dropped
  virtual void to_controller(std::string_view payload) = 0;
  // Plans, lays out the board, makes the channels of the first `at_once` workers and sends Assign. The board may have fewer
  // slots than asked for (no descriptors left), never none. Errors: whatever made even one worker impossible.
  [[nodiscard]] virtual core::Result<core::RunBoard> start_workers(const core::Selected& selected, std::size_t workers,
                                                                  std::size_t at_once, bool in_controller) = 0;
  // The run's share of all workers (worker_budget.hpp): how many more it may start of `wanted`, and how many it has.
  [[nodiscard]] virtual std::size_t free_workers(std::size_t wanted) = 0;
  virtual void note_workers(std::size_t workers) = 0;
  // Why no further worker may be begun now: "100 MiB of memory are free, …". Empty: nothing is in the way.
  [[nodiscard]] virtual std::string memory_shortage() = 0;
  // How many processes the kernel has killed for want of memory (machine_memory.hpp).
  [[nodiscard]] virtual std::int64_t oom_kills() = 0;
  // A fresh channel for the slot, and SpawnWorker. False: no descriptors left.
  [[nodiscard]] virtual bool respawn(std::size_t slot) = 0;
  virtual void signal_process(std::int64_t pid, int signal_number) = 0;
  virtual void signal_group(std::int64_t pid, int signal_number) = 0;
  enum class Process { alive, stopped, zombie, gone };
  [[nodiscard]] virtual Process look_at(std::int64_t pid) = 0;
};

class RunState {
 public:
  enum class Stage : std::uint8_t { forking, selecting, running, inline_run, session_over, ending, leaving, done };

  RunState(RunSetup setup, RunEffects& effects, TimePoint now);

  // --- what the forkserver and the kernel say
  void on_forked(std::int64_t pid, TimePoint now);
  void on_fork_failed(std::string_view why, TimePoint now);
  // The controller is dead; its channel has been drained. nullopt: nobody saw its status.
  void on_controller_exited(std::optional<int> status, TimePoint now);
  // A process that came to the daemon as its child. False: none of this run's workers.
  bool on_orphan_exited(std::int64_t pid, int status, TimePoint now);

  // --- what the controller says
  void on_selected(core::Selected selected, TimePoint now);
  void on_inline_result(core::ItemResult result, TimePoint now);
  void on_controller_warning(const core::WarningReport& warning);
  void on_worker_started(std::int64_t slot, std::int64_t pid, TimePoint now);
  // What the controller knows of a worker's end; said right before on_worker_exited.
  void note_last_words(core::WorkerExited words);
  // The worker's channel has been drained.
  void on_worker_exited(std::int64_t slot, std::int64_t pid, int status, TimePoint now);
  void on_controller_finished(const core::ControllerFinished& finished, TimePoint now);
  void on_controller_silent(TimePoint now);          // its channel ended

  // --- what the workers say
  void on_result(std::size_t slot, core::ItemResult result, TimePoint now);
  void on_warning(std::size_t slot, const core::WarningReport& warning);
  void on_worker_finished(std::size_t slot, const core::WorkerFinished& finished, TimePoint now);
  void on_worker_frame(std::size_t bytes) noexcept { account_.add_frame(bytes); }
  void on_inline_finished(const core::WorkerFinished& finished) { account_.add_finished(0, finished); }   // the controller's word
  // The channel ended. `broken`: what came was no frame.
  void on_worker_silent(std::size_t slot, bool broken, TimePoint now);

  // --- what the client says
  void on_interrupt(TimePoint now);
  void on_kill(TimePoint now);
  void on_suspend();                                 // Ctrl-Z: the run's processes stop with their client
  void on_resume(TimePoint now);                     // fg
  void on_client_gone(TimePoint now);                // an interrupt that nobody can repeat

  // Time limits, graces and progress; every 100 ms while the run is not done. `sources_paused`: results wait unread
  // because the client is slow, so time limits do not count.
  void tick(TimePoint now, bool sources_paused);

  [[nodiscard]] Stage stage() const noexcept { return stage_; }
  [[nodiscard]] bool done() const noexcept { return stage_ == Stage::done; }
  // The event that ends the run was sent; its processes may still be leaving.
  [[nodiscard]] bool answered() const noexcept { return answered_; }
  [[nodiscard]] bool cancelled() const noexcept { return cancel_ != Cancel::none; }
  [[nodiscard]] std::int64_t controller_pid() const noexcept { return controller_pid_; }
  [[nodiscard]] const core::Selected& selected() const noexcept { return selected_; }
  [[nodiscard]] const core::RunTally& tally() const noexcept { return tally_; }
  [[nodiscard]] const RunMeasurements& measurements() const noexcept { return measurements_; }
  // The controller's hooks see every report.
  [[nodiscard]] bool forwards_reports() const noexcept { return setup_.options.reporter == "pytest" || selected_.wants_reports; }
  [[nodiscard]] core::RunStatus status(TimePoint now) const;
  // Every pid that was ever named as part of this run: sessions to be emptied when it is over.
  [[nodiscard]] const std::vector<std::int64_t>& pids() const noexcept { return pids_; }
  // Time between the request and `selecting`'s end, for tests and logs.
  [[nodiscard]] const RunSetup& setup() const noexcept { return setup_; }

 private:
  // held: not begun, since other runs have the workers.
  enum class SlotState : std::uint8_t { held, starting, live, finished, gone };
  enum class TimeLimit : std::uint8_t { none, dumped, terminated, killed };
  enum class Cancel : std::uint8_t { none, interrupt, kill };

  struct Slot {
    std::int64_t pid = 0;
    SlotState state = SlotState::starting;
    bool exited = true;                     // no process of this slot exists
    bool in_controller = false;
    bool any_result = false;                // of the worker at hand
    std::uint32_t barren_starts = 0;        // workers in a row that were lost without a result
    std::optional<TimePoint> silent_since;
    std::optional<TimePoint> finished_at;
    std::optional<TimePoint> stopped_since;
    std::optional<TimePoint> gone_since;    // nobody told of its end so far
    TimeLimit limit = TimeLimit::none;
    TimePoint limit_at{};
    std::uint32_t limit_item = core::k_no_item;
    std::string cause;                      // why the daemon itself killed the worker
    core::WorkerExited words;               // of a worker that is gone
    std::uint32_t dumped_item = core::k_no_item;   // whose stacks were asked for, and how often
    std::int64_t dumps = 0;
  };

  // run_workers.cpp
  void start_work(TimePoint now);
  [[nodiscard]] std::size_t wanted_workers() const;
  void note_workers();
  void start_held_workers();
  [[nodiscard]] bool must_wait_for_memory();
  [[nodiscard]] std::int64_t most_restarts() const noexcept;

  // run_state.cpp
  void maybe_end(TimePoint now);
  [[nodiscard]] bool start_serial_work(TimePoint now);
  void end_run(TimePoint now);
  void stop_board(std::string reason);
  void heed_maxfail();
  void conclude(int session_code, TimePoint now);
  void check_left(TimePoint now);
  [[nodiscard]] bool all_settled() const noexcept;

  // run_events.cpp
  void send_collected(const std::optional<core::RunBoard>& board);
  void deliver(core::ItemResult result, std::string worker);
  void tell_controller(core::ItemResult& result);
  void send_testcases();
  void send_finished(int code, TimePoint now);
  void refuse(std::string_view code, std::string message, std::string hint, std::int64_t exit_code);
  void send_measured();
  void send_progress(TimePoint now);

  // run_losses.cpp
  [[nodiscard]] Slot* find_slot(std::int64_t slot) noexcept;
  void lose_worker(std::size_t slot, int status, TimePoint now);
  [[nodiscard]] std::string end_of_worker(int status);
  void tell_death_at_end(std::size_t slot, int status);
  void blame(std::uint32_t item, std::string_view worker, std::string_view when, std::uint32_t attempt, std::string text,
             core::WorkerExited words = {});
  void tell_lost_try(std::uint32_t item, std::string worker, std::uint32_t attempt, std::string text);
  void account_loss(std::size_t slot, bool has_item, TimePoint now);
  [[nodiscard]] std::optional<std::uint32_t> lost_item(std::size_t slot, std::int64_t pid) const;
  [[nodiscard]] bool may_replace(std::size_t slot) const;
  void blame_inline_item(std::optional<int> status);
  [[nodiscard]] std::string running_items() const;

  // run_limits.cpp
  void signal_everybody(int number);
  void begin_cancel(Cancel how, TimePoint now);
  void interrupt_processes();
  void advance_cancel(TimePoint now);
  [[nodiscard]] bool is_spared(std::size_t slot, TimePoint now) const;
  [[nodiscard]] bool wait_for_teardown(TimePoint now);
  void advance_deadlines(TimePoint now);
  void advance_silence(TimePoint now);
  void advance_time_limits(TimePoint now);
  void advance_leaving(TimePoint now);
  void advance_hang_dumps(TimePoint now);   // run_hang_dumps.cpp
  void read_time_limits();
  [[nodiscard]] double time_limit_s(std::uint32_t item) const noexcept;
  void kill_slot(std::size_t slot, std::string cause);
  void kill_controller(std::string cause);
  void terminate_workers(TimePoint now);

  RunSetup setup_;
  RunEffects& effects_;
  Stage stage_ = Stage::forking;
  core::Selected selected_;
  core::RunTally tally_;
  RunMeasurements measurements_;
  RunAccount account_;
  core::Testcases testcases_;               // not sent so far
  std::size_t testcases_bytes_ = 0;
  std::unordered_map<std::uint32_t, double> own_limits_s_;   // items with a limit of their own; 0 = none
  bool has_limits_ = false;
  std::optional<core::RunBoard> board_;
  std::vector<Slot> slots_;
  std::vector<std::int64_t> pids_;

  std::int64_t controller_pid_ = 0;
  bool controller_gone_ = false;
  bool controller_said_end_ = false;        // ControllerFinished came
  std::optional<TimePoint> controller_silent_since_;
  std::optional<TimePoint> controller_stopped_since_;
  std::optional<TimePoint> controller_ended_since_;   // gone or a zombie: what it said before may not have been read so far
  std::string controller_cause_;            // why the daemon itself killed it
  std::string plugin_output_;
  double session_s_ = 0;

  std::int64_t failed_reports_ = 0;         // as pytest counts for --maxfail
  std::int64_t restarts_ = 0;
  std::int64_t oom_kills_ = 0;              // seen so far
  bool told_shortage_ = false;
  std::string stop_reason_;
  std::string interrupted_at_;              // a place a line, of each worker that was interrupted in a test
  std::string fault_;                       // what makes the run's end no normal one; named to the client
  std::string start_problem_;               // why a worker could not be started
  std::optional<int> forced_code_;          // pytest.exit(returncode=…), INTERNALERROR
  std::vector<std::uint32_t> cut_off_;      // items of workers that died with their controller
  bool died_at_end_ = false;                // a worker, behind its last item
  bool interrupted_ = false;
  bool inline_interrupted_ = false;             // pytest on the client's terminal was sent a Ctrl-C
  bool answered_ = false;

  Cancel cancel_ = Cancel::none;
  std::uint8_t cancel_step_ = 0;
  TimePoint cancel_next_{};
  TimePoint teardown_until_{};
  bool waits_for_teardown_ = false;

  TimePoint forked_at_{};                   // fork asked for, then stage changes
  TimePoint stage_since_{};
  double select_ms_ = 0;
  TimePoint run_since_{};
  bool suspended_ = false;
  TimePoint resumed_at_{};                  // results were read again after a pause
  bool was_paused_ = false;
  bool looked_ = false;
  TimePoint looked_at_{};
  TimePoint progress_at_{};
  std::string last_progress_;
};

// "killed by signal 11 (SIGSEGV)" or "exit code 3", from a wait status.
[[nodiscard]] std::string describe_wait_status(int status);
// "gw0"
[[nodiscard]] std::string worker_name(std::size_t slot);

}  // namespace pf::ctl
