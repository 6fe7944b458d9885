// A generation: one warm forkserver and what it was collected with.
//
//   booting -> ready <-> stale      booting -> failed
//                 \-> gone              (the forkserver's end, from any state)
//
// `stale` is the last answer of a check and may turn back to `ready` when an edit is taken back. A generation that is
// dismissed takes no more runs and leaves when the last one is over. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <pfcore/daemon_messages.hpp>

#include <pfctl/boot_scope.hpp>
#include <pfctl/forkserver_process.hpp>
#include <pfctl/hot_files.hpp>
#include <pfctl/ladder.hpp>
#include <pfctl/loop.hpp>
#include <pfctl/staleness.hpp>

namespace pf::ctl {

inline constexpr std::int64_t k_exit_no_boot = 72;
inline constexpr Milliseconds k_stop_look{500};      // at a booting process: is it stopped?

enum class GenerationState : std::uint8_t { booting, ready, stale, failed, gone };
[[nodiscard]] std::string_view to_string(GenerationState state) noexcept;

// Where a boot goes on instead of beginning anew: at the top of a ladder, as what the generation was booted as that left it.
struct ResumePlan {
  Ladder ladder;
  core::OsStrings argv;
  core::Environment env;
  SystemTime boot_clock{};                  // when the first of these boots began
};

// What a boot is made from.
struct BootPlan {
  ForkserverSpec spec;
  core::OsStrings argv;
  std::string program;
  std::int64_t umask = 022;
  BootScope scope;
  Milliseconds deadline{120000};            // for the boot
  std::string root;                         // the daemon's: shortens paths in reasons
  std::string why;                          // "no generation yet", "changed: tests/test_a.py"
  bool background = false;                  // nobody waits for it
  bool single_use = false;                  // for the run that it is booted for and no other (start method "fork")
  std::optional<std::int64_t> replaces;     // the generation that it succeeds
  std::size_t checkpoints = 0;              // that are kept of it; 0 = none are made
  core::OsStrings hot;                      // files that were edited lately
  std::shared_ptr<const ResumePlan> resume; // a boot that comes to nothing this way begins anew
  std::shared_ptr<const BootPlan> rest;     // of a generation before, which had collected more: to be made again behind this one
};

class Generation;

class GenerationListener {
 public:
  virtual ~GenerationListener() = default;
  virtual void on_generation_ready(Generation& generation) = 0;
  // The boot came to nothing; generation.failure() says why.
  virtual void on_generation_failed(Generation& generation) = 0;
  // The forkserver of a ready generation is dead. Its controllers live on.
  virtual void on_generation_gone(Generation& generation) = 0;
  virtual void on_forked(Generation& generation, const core::Forked& forked) = 0;
  virtual void on_child_exited(Generation& generation, const core::ChildExited& exited) = 0;
};

class Generation final : private ForkserverHandler {
 public:
  Generation(Loop& loop, DaemonLog& log, GenerationListener& listener, std::int64_t id, BootPlan plan);
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;
  ~Generation() override;

  // Starts the forkserver and sends the BootRequest. Errors: what made the start impossible; the state is then failed.
  [[nodiscard]] core::Status start();

  [[nodiscard]] std::int64_t id() const noexcept { return id_; }
  [[nodiscard]] GenerationState state() const noexcept { return state_; }
  // Of a collection with errors: it serves runs as long as nothing changes, and takes the place of no good one.
  [[nodiscard]] bool broken() const noexcept { return collect_errors_ > 0; }
  [[nodiscard]] std::int64_t collect_errors() const noexcept { return collect_errors_; }
  // What was printed while it collected; with collect_errors(), pytest's text of them.
  [[nodiscard]] const std::string& boot_output() const noexcept { return boot_output_; }
  [[nodiscard]] bool dismissed() const noexcept { return dismissed_; }
  [[nodiscard]] bool usable() const noexcept {
    return !dismissed_ && (state_ == GenerationState::ready || state_ == GenerationState::stale);
  }
  // Its process, or a checkpoint that it keeps.
  [[nodiscard]] bool owns_process(std::int64_t pid) const { return this->pid() == pid || ladder_.holds(pid); }
  // Collecting, with helpers of the suite and checkpoints that nobody has told of yet.
  [[nodiscard]] bool collects_in(std::int64_t session) const { return state_ == GenerationState::booting && pid() == session; }
  // For a successor that collects `scope` for a client with this environment. nullptr: it has to begin anew.
  [[nodiscard]] std::shared_ptr<const ResumePlan> resume_plan(const BootScope& scope, HotFiles& hot) const;
  [[nodiscard]] std::size_t checkpoints() const noexcept { return ladder_.size(); }
  // Which checkpoint it went on from, or why checkpoints are missing; empty: there is nothing to say.
  [[nodiscard]] std::string checkpoint_note() const;
  [[nodiscard]] std::int64_t pid() const noexcept { return process_ ? process_->pid() : 0; }
  [[nodiscard]] const BootPlan& plan() const noexcept { return plan_; }
  [[nodiscard]] const std::string& key() const noexcept { return key_; }
  [[nodiscard]] TimePoint boot_started() const noexcept { return boot_started_; }
  [[nodiscard]] TimePoint boot_ended() const noexcept { return boot_ended_; }
  [[nodiscard]] std::size_t items() const noexcept { return items_; }
  // That were alive after collection: no fork has them. "Thread-1 (module that started it)"
  [[nodiscard]] std::vector<std::string> threads() const;
  // Set once the state is ready, or failed with a BootFailed: what the boot depended on. Shared with checks on other threads.
  [[nodiscard]] const std::shared_ptr<const InputSet>& inputs() const noexcept { return inputs_; }
  [[nodiscard]] const core::ErrorEvent& failure() const noexcept { return failure_; }
  // The boot was ended from outside (SIGKILL, out of memory, SIGSTOP): another try may do better.
  [[nodiscard]] bool worth_another_try() const noexcept { return killed_; }
  [[nodiscard]] core::GenerationStatus status(TimePoint now) const;
  // For `pfast doctor`: what it is made of, and what collection left in it.
  [[nodiscard]] core::GenerationReport report(TimePoint now) const;

  void mark_fresh() noexcept;
  void mark_stale(std::string reason);
  // Stale for good: somebody knows of a change that no input shows.
  void expire(std::string reason);
  [[nodiscard]] bool expired() const noexcept { return expired_; }
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
  void touch(TimePoint now) noexcept { last_used_ = now; }
  [[nodiscard]] TimePoint last_used() const noexcept { return last_used_; }
  void add_user() noexcept { ++users_; }
  void remove_user();
  [[nodiscard]] std::size_t users() const noexcept { return users_; }

  void fork(const core::ForkRequest& request, std::vector<core::UniqueFd> fds);
  // No more runs. When the last one is over the forkserver is asked to leave, and killed when it does not.
  void dismiss();
  void kill() noexcept;
  // True when the pid was this generation's forkserver.
  bool on_process_exited(std::int64_t pid, int status);

 private:
  void on_boot_ready(core::BootReady ready) override;
  void on_boot_failed(core::BootFailed failed) override;
  void on_forked(const core::Forked& forked) override;
  void on_child_exited(const core::ChildExited& exited) override;
  void on_checkpoint(core::CheckpointMade made, core::UniqueFd channel) override;
  void on_ladder_ready(core::LadderReady ladder) override { ladder_ready_ = std::move(ladder); }
  void on_resumed() override;
  void on_not_resumed() override;
  void on_forkserver_gone(int status) override;
  void note_image(core::BootReady& ready);
  void send_order();
  [[nodiscard]] core::Status begin();
  [[nodiscard]] core::Status resume();
  // A resumed boot came to nothing: the plan is carried out without it.
  void begin_anew(const std::string& why);
  void on_deadline();
  void look_whether_stopped();
  void let_leave();
  void fail(std::string code, std::string message, std::string hint, std::int64_t exit_code);

  Loop& loop_;
  DaemonLog& log_;
  GenerationListener& listener_;
  std::int64_t id_;
  BootPlan plan_;
  std::string key_;
  GenerationState state_ = GenerationState::booting;
  std::unique_ptr<ForkserverProcess> process_;
  Timer deadline_;
  Timer stop_watch_;                        // while booting only
  Timer resume_limit_;                      // until a resumed process has a pid
  std::optional<BootPlan> anew_;            // while a resumed boot goes on: what to do when it comes to nothing
  Ladder ladder_;
  core::LadderReady ladder_ready_;
  bool dumped_ = false;
  bool killed_ = false;
  int looks_stopped_ = 0;
  bool dismissed_ = false;
  bool expired_ = false;
  bool given_up_ = false;                   // killed on purpose
  std::int64_t collect_errors_ = 0;
  std::string boot_output_;                 // kept of a collection with errors
  std::optional<core::BootFailed> boot_failed_;
  std::shared_ptr<const InputSet> inputs_;
  core::BootReady image_;                   // without what is large: node ids and inputs
  std::size_t items_ = 0;
  std::size_t users_ = 0;
  std::string reason_;
  std::string resumed_before_;              // what its checkpoint stood before; empty: collected from the beginning
  core::ErrorEvent failure_;
  TimePoint boot_started_{};
  SystemTime boot_clock_{};
  TimePoint boot_ended_{};
  TimePoint last_used_{};
  std::shared_ptr<Generation*> self_ = std::make_shared<Generation*>(this);   // cleared by the destructor: deferred tasks look here
};

}  // namespace pf::ctl
