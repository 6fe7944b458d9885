// The daemon's generations: gives each run the one that fits, boots what is missing, replaces what is stale, and widens
// in the background. A successor that does not collect never replaces anything. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <pfcore/daemon_messages.hpp>

#include <pfctl/generation.hpp>
#include <pfctl/generation_choice.hpp>

namespace pf::ctl {

// A run, as the pool sees it. The pool calls back from acquire() or later; it never calls after release().
class GenerationUser {
 public:
  virtual ~GenerationUser() = default;
  [[nodiscard]] virtual const core::RunRequest& request() const = 0;
  [[nodiscard]] virtual TimePoint received() const = 0;
  // What must have been collected; nullopt: whatever there is, since a run collects the rest in its fork.
  [[nodiscard]] virtual std::optional<BootScope> needed_scope() const { return std::nullopt; }
  virtual void on_phase(std::string_view name, const std::string& detail) = 0;
  // The generation is this run's until release().
  virtual void on_generation(Generation& generation) = 0;
  // Nothing will come: the boot failed. The pool has forgotten the run.
  virtual void on_no_generation(const core::ErrorEvent& why) = 0;
  virtual void on_forked(const core::Forked& forked) = 0;
  // A child of the run's forkserver was reaped: the run's own controller when the pid is its.
  virtual void on_child_exited(std::int64_t pid, int status) = 0;
  // The forkserver died. The run has released the generation thereby and may acquire again.
  virtual void on_generation_gone() = 0;
};

// A generation as a request, for its own successor.
struct GenerationWish {
  std::int64_t id = 0;
  core::RunRequest request;
  BootScope scope;
};

struct PoolSettings {
  std::string forkserver_path;
  std::string python;
  std::string root;
  Milliseconds boot_deadline{120000};
  std::size_t max_generations = 4;
  std::int64_t max_bytes = 0;               // resident memory of all forkservers; 0 = any
  std::vector<std::string> session_plugins;   // import_options.hpp
  bool scope_all = false;
  std::size_t checkpoints = 0;              // that a generation keeps at most; 0 = none
  std::optional<struct rlimit> nofile;      // see ForkserverSpec
};

// Below this many files a walk takes a few milliseconds at most, and nobody else notices.
constexpr std::size_t k_inline_check_files = 4000;

class GenerationPool final : private GenerationListener {
 public:
  // `on_change` is called when something ended that the daemon may have been waiting for.
  GenerationPool(Loop& loop, DaemonLog& log, PoolSettings settings, std::function<void()> on_change);
  GenerationPool(const GenerationPool&) = delete;
  GenerationPool& operator=(const GenerationPool&) = delete;
  ~GenerationPool() override;

  void acquire(std::int64_t run_id, GenerationUser& user);
  void release(std::int64_t run_id);
  // The run found its generation too narrow: collect more, once nobody is waiting for anything.
  void widen(std::int64_t generation_id, const core::RunRequest& request);
  // The forkserver does not answer: it is killed, and its runs hear on_generation_gone.
  void give_up(std::int64_t generation_id);
  // True when the pid was a forkserver.
  bool on_process_exited(std::int64_t pid, int status);
  // 0: no such generation.
  [[nodiscard]] std::int64_t pid_of(std::int64_t generation_id) const {
    const Generation* generation = find(generation_id);
    return generation != nullptr ? generation->pid() : 0;
  }
  [[nodiscard]] bool owns_process(std::int64_t pid) const;
  // The session of a forkserver that is collecting.
  [[nodiscard]] bool collects_in(std::int64_t session) const;
  [[nodiscard]] bool knows(std::int64_t generation_id) const { return find(generation_id) != nullptr; }
  // Calls `then` with what has changed since the generation was made: at once, or from the loop when there are so many
  // files that a look would hold it. Nothing has changed in a generation that is gone.
  void look_for_change(std::int64_t generation_id, std::function<void(const std::optional<std::string>&)> then);
  // Every generation that takes runs.
  [[nodiscard]] std::vector<GenerationWish> wishes() const;

  // For watchers. Whose inputs are worth a look: generations that take runs, and the last boot that failed.
  struct Watchable {
    std::int64_t id = 0;
    std::shared_ptr<const InputSet> inputs;
  };
  [[nodiscard]] std::vector<Watchable> watchables() const;
  // The answer of a look at them.
  void record_look(std::int64_t id, const std::optional<std::string>& change, bool touched);
  // What a refresh has to boot, as far as looks and checks have told, and why; a boot that would fail as the last one did is none of it.
  // A wish with id 0 is the failed boot's.
  [[nodiscard]] std::vector<GenerationWish> outdated_wishes() const;
  [[nodiscard]] std::optional<std::string> outdated() const;
  // Every generation is stale from now on, whatever its inputs say.
  void expire(const std::string& why);

  [[nodiscard]] bool takes_runs(std::int64_t generation_id) const;
  // The generation that became ready last; 0 = none is left.
  [[nodiscard]] std::int64_t newest() const { return generations_.empty() ? 0 : generations_.back()->id(); }

  [[nodiscard]] std::vector<core::GenerationStatus> status(TimePoint now) const;
  // Of the same generations, the last failed boot left out.
  [[nodiscard]] std::vector<core::GenerationReport> reports(TimePoint now) const;
  // A forkserver is collecting.
  [[nodiscard]] bool booting() const;
  // No forkserver process exists.
  [[nodiscard]] bool empty() const;
  // No boots from now on; every forkserver is asked to leave (at once: killed).
  void close(bool at_once);

 private:
  struct Wait {
    GenerationUser* user = nullptr;
    std::map<std::int64_t, bool> checked;          // generation -> fresh
    std::optional<std::int64_t> stale;             // the newest one that was found stale: to be replaced
    std::string stale_reason;
    std::optional<std::int64_t> waits_for;
    bool own_boot = false;
    int boots = 0;
    bool checking = false;
    BootScope scope;                               // what the run names
  };
  // The last boot that came to nothing.
  struct FailedBoot {
    std::int64_t id = 0;
    BootPlan plan;
    std::shared_ptr<const InputSet> inputs;        // null: it died before it could tell
    std::string change;                            // of them since: another boot may do better
  };
  struct Use {
    GenerationUser* user = nullptr;
    Generation* generation = nullptr;              // null once its forkserver is dead
  };

  void on_generation_ready(Generation& generation) override;
  void on_generation_failed(Generation& generation) override;
  void on_generation_gone(Generation& generation) override;
  void on_forked(Generation& generation, const core::Forked& forked) override;
  void on_child_exited(Generation& generation, const core::ChildExited& exited) override;

  void advance(std::int64_t run_id);
  void advance_all_later();
  [[nodiscard]] std::vector<GenerationCandidate> candidates(const Wait& wait) const;
  [[nodiscard]] core::OsStrings boot_argv(const core::RunRequest& request) const;
  [[nodiscard]] bool suits(const Generation& generation, const core::RunRequest& request) const;
  void use(std::int64_t run_id, Generation& generation);
  void check(std::int64_t run_id, Generation& generation);
  void record_check(std::int64_t run_id, std::int64_t generation_id, const std::optional<std::string>& change);
  void tell_watch_problem(const Generation& generation);
  void boot_for(std::int64_t run_id);
  Generation* start_boot(BootPlan plan);
  // Where the boot may go on from what its generation before has left.
  void plan_resume(BootPlan& plan);
  [[nodiscard]] BootPlan plan_for(const core::RunRequest& request) const;
  [[nodiscard]] BootPlan plan_for(const Wait& wait) const;
  void refuse(std::int64_t run_id, const core::ErrorEvent& why);
  void start_background();
  void succeed_in_background(const Generation& generation);
  [[nodiscard]] bool has_fresh(const BootPlan& plan) const;
  void dismiss_superseded(const Generation& newer);
  [[nodiscard]] bool serves(const BootPlan& plan, bool fresh) const;
  [[nodiscard]] bool is_outdated(const Generation& generation) const;
  void dismiss_outdone();
  void remember_failure(const Generation& generation);
  void forget_failure(const Generation& ready);
  void evict();
  [[nodiscard]] std::int64_t held_bytes() const;
  void bury(Generation& generation);
  [[nodiscard]] Generation* find(std::int64_t id) const;

  Loop& loop_;
  DaemonLog& log_;
  PoolSettings settings_;
  std::function<void()> on_change_;
  std::vector<std::unique_ptr<Generation>> generations_;
  std::map<std::int64_t, Wait> waits_;
  std::map<std::int64_t, Use> uses_;
  std::optional<BootPlan> background_;
  std::optional<BootScope> failed_scope_;           // a background boot that came to nothing is not tried again
  std::optional<core::GenerationStatus> last_failure_;
  std::optional<FailedBoot> failed_boot_;
  std::string told_watch_problem_;
  HotFiles hot_;
  std::int64_t next_id_ = 1;
  bool closing_ = false;
  std::shared_ptr<GenerationPool*> self_;           // cleared by the destructor: deferred tasks look here
};

}  // namespace pf::ctl
