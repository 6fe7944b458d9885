#include <pfctl/generation_pool.hpp>

#include <algorithm>
#include <csignal>
#include <utility>

namespace pf::ctl {
namespace {

// Below this many files a check is quicker than a thread's answer is late.
constexpr std::size_t k_inline_check_files = 20000;
constexpr int k_boots_per_run = 2;

}  // namespace

GenerationPool::GenerationPool(Loop& loop, DaemonLog& log, PoolSettings settings, std::function<void()> on_change)
    : loop_(loop),
      log_(log),
      settings_(std::move(settings)),
      on_change_(std::move(on_change)),
      self_(std::make_shared<GenerationPool*>(this)) {}

GenerationPool::~GenerationPool() { *self_ = nullptr; }

Generation* GenerationPool::find(std::int64_t id) const {
  for (const auto& generation : generations_) {
    if (generation->id() == id) return generation.get();
  }
  return nullptr;
}

// ---------------------------------------------------------------- choosing

void GenerationPool::acquire(std::int64_t run_id, GenerationUser& user) {
  Wait& wait = waits_[run_id];
  wait = Wait{};
  wait.user = &user;
  advance(run_id);
}

void GenerationPool::release(std::int64_t run_id) {
  waits_.erase(run_id);
  if (const auto found = uses_.find(run_id); found != uses_.end()) {
    if (found->second.generation != nullptr) found->second.generation->remove_user();
    uses_.erase(found);
  }
  start_background();
}

std::vector<GenerationCandidate> GenerationPool::candidates(const Wait& wait) const {
  const core::Environment& env = wait.user->request().env;
  const std::string key = generation_key(env, wait.user->request().argv, wait.user->request().cwd);
  std::vector<GenerationCandidate> out;
  for (const auto& generation : generations_) {
    const bool booting = generation->state() == GenerationState::booting && !generation->dismissed();
    if (!booting && !generation->usable()) continue;
    GenerationCandidate candidate;
    candidate.id = generation->id();
    candidate.booting = booting;
    candidate.suits = generation->key() == key && (booting || !generation->inputs()->environment_change(env));
    // What was booted for this very run is used by it, whatever its conftest did to the environment meanwhile.
    if (wait.own_boot && wait.waits_for == candidate.id) candidate.suits = true;
    candidate.background = generation->plan().background;
    candidate.boot_started = generation->boot_started();
    candidate.last_used = generation->last_used();
    if (const auto known = wait.checked.find(candidate.id); known != wait.checked.end()) candidate.fresh = known->second;
    out.push_back(candidate);
  }
  return out;
}

void GenerationPool::advance(std::int64_t run_id) {
  using Step = GenerationChoice::Step;
  for (;;) {
    const auto found = waits_.find(run_id);
    if (found == waits_.end() || found->second.checking) return;
    Wait& wait = found->second;
    const GenerationChoice choice = choose_generation(candidates(wait), wait.user->received());
    Generation* generation = find(choice.id);
    switch (choice.step) {
      case Step::use:
        use(run_id, *generation);
        return;
      case Step::check:
        check(run_id, *generation);
        break;
      case Step::wait:
        if (wait.waits_for != choice.id) {
          wait.own_boot = false;
          wait.user->on_phase("wait", "for the boot that is under way: " + generation->plan().why);
        }
        wait.waits_for = choice.id;
        return;
      case Step::boot:
        boot_for(run_id);
        return;
    }
  }
}

void GenerationPool::advance_all_later() {
  loop_.defer([self = self_] {
    if (*self == nullptr) return;
    std::vector<std::int64_t> ids;
    for (const auto& [id, wait] : (*self)->waits_) ids.push_back(id);
    for (const std::int64_t id : ids) (*self)->advance(id);
    (*self)->start_background();
    (*self)->on_change_();
  });
}

void GenerationPool::use(std::int64_t run_id, Generation& generation) {
  GenerationUser* user = waits_.at(run_id).user;
  waits_.erase(run_id);
  uses_[run_id] = Use{user, &generation};
  generation.add_user();
  generation.touch(loop_.now());
  user->on_generation(generation);
}

void GenerationPool::check(std::int64_t run_id, Generation& generation) {
  const std::shared_ptr<const InputSet> inputs = generation.inputs();
  const std::int64_t generation_id = generation.id();
  if (inputs->size() <= k_inline_check_files) {
    record_check(run_id, generation_id, inputs->file_change());
    return;
  }
  Wait& wait = waits_.at(run_id);
  wait.checking = true;
  wait.user->on_phase("wait", "checking " + std::to_string(inputs->size()) + " files");
  auto change = std::make_shared<std::optional<std::string>>();
  loop_.queue_work([inputs, change] { *change = inputs->file_change(); },
                   [self = self_, run_id, generation_id, change] {
                     if (*self == nullptr) return;
                     const auto found = (*self)->waits_.find(run_id);
                     if (found == (*self)->waits_.end()) return;
                     found->second.checking = false;
                     (*self)->record_check(run_id, generation_id, *change);
                     (*self)->advance(run_id);
                   });
}

void GenerationPool::record_check(std::int64_t run_id, std::int64_t generation_id, const std::optional<std::string>& change) {
  Wait& wait = waits_.at(run_id);
  wait.checked[generation_id] = !change.has_value();
  Generation* generation = find(generation_id);
  if (generation == nullptr) return;
  if (!change) {
    generation->mark_fresh();
    return;
  }
  generation->mark_stale(*change);
  if (!wait.stale) {
    wait.stale = generation_id;
    wait.stale_reason = *change;
  }
}

// ---------------------------------------------------------------- boots

BootPlan GenerationPool::plan_for(const core::RunRequest& request) const {
  BootPlan plan;
  plan.spec.executable = settings_.forkserver_path;
  plan.spec.python = settings_.python;
  plan.spec.cwd = request.cwd;
  plan.spec.env = request.env;
  plan.spec.nofile = settings_.nofile;
  plan.argv = request.argv;
  plan.program = request.program;
  plan.umask = request.umask;
  plan.root = settings_.root;
  plan.scope = scope_of(request.argv, request.cwd);
  if (settings_.scope_all) plan.scope = BootScope{{}, true};
  return plan;
}

void GenerationPool::boot_for(std::int64_t run_id) {
  Wait& wait = waits_.at(run_id);
  if (closing_) {
    core::ErrorEvent why;
    why.code = "shutting-down";
    why.message = "start a run: the daemon is about to leave";
    why.hint = "run it again: a new daemon will start";
    refuse(run_id, why);
    return;
  }
  BootPlan plan = plan_for(wait.user->request());
  plan.replaces = wait.stale;
  if (wait.boots > 0) plan.why = "the forkserver was killed while it collected";
  else if (wait.stale) plan.why = wait.stale_reason;
  else plan.why = generations_.empty() ? "no generation yet" : "none of the generations has these options and this environment";
  wait.own_boot = true;
  ++wait.boots;
  wait.user->on_phase("boot", plan.why);
  background_.reset();
  const std::int64_t id = next_id_;
  wait.waits_for = id;
  if (start_boot(std::move(plan)) != nullptr) return;
  refuse(run_id, find(id)->failure());
  bury(*find(id));
}

Generation* GenerationPool::start_boot(BootPlan plan) {
  GenerationListener& listener = *this;
  generations_.push_back(std::make_unique<Generation>(loop_, log_, listener, next_id_++, std::move(plan)));
  Generation& generation = *generations_.back();
  if (auto started = generation.start(settings_.boot_deadline); !started) {
    last_failure_ = generation.status(loop_.now());
    return nullptr;
  }
  return &generation;
}

void GenerationPool::on_generation_ready(Generation& generation) {
  last_failure_.reset();
  if (const auto& replaced = generation.plan().replaces) {
    if (Generation* old = find(*replaced)) old->dismiss();
  }
  evict();
  advance_all_later();
}

void GenerationPool::on_generation_failed(Generation& generation) {
  last_failure_ = generation.status(loop_.now());
  if (generation.plan().background) failed_scope_ = generation.plan().scope;
  std::vector<std::int64_t> refused;
  std::optional<bool> still_true;          // looked at only when somebody else waits
  const auto is_still_true = [&] {
    if (!still_true) still_true = !generation.inputs() || !generation.inputs()->file_change();
    return *still_true;
  };
  for (const auto& [run_id, wait] : waits_) {
    if (wait.waits_for != generation.id()) continue;
    const core::RunRequest& request = wait.user->request();
    // Another run's arguments, folder or environment may do better, and so may a file that was mended meanwhile.
    const bool same = !wait.own_boot && !generation.plan().background && request.argv == generation.plan().argv &&
                      request.cwd == generation.plan().spec.cwd && request.env == generation.plan().spec.env && is_still_true();
    const bool again = generation.worth_another_try() && wait.boots < k_boots_per_run;
    if ((wait.own_boot || same) && !again) refused.push_back(run_id);
  }
  for (const std::int64_t run_id : refused) refuse(run_id, generation.failure());
  bury(generation);
  advance_all_later();
}

void GenerationPool::refuse(std::int64_t run_id, const core::ErrorEvent& why) {
  const auto found = waits_.find(run_id);
  if (found == waits_.end()) return;
  GenerationUser* user = found->second.user;
  waits_.erase(found);
  user->on_no_generation(why);
}

void GenerationPool::widen(std::int64_t generation_id, const core::RunRequest& request) {
  Generation* generation = find(generation_id);
  if (generation == nullptr || !generation->usable() || closing_) return;
  BootPlan plan = plan_for(request);
  plan.scope = unite(generation->plan().scope, plan.scope);
  if (plan.scope == generation->plan().scope || (failed_scope_ && plan.scope == *failed_scope_)) return;
  plan.replaces = generation_id;
  plan.background = true;
  plan.why = "a run asked for more than the generation had collected";
  background_ = std::move(plan);
  start_background();
}

void GenerationPool::start_background() {
  if (!background_ || !waits_.empty() || !uses_.empty() || booting() || closing_) return;
  BootPlan plan = std::move(*background_);
  background_.reset();
  if (start_boot(std::move(plan)) == nullptr) bury(*generations_.back());
}

void GenerationPool::evict() {
  for (;;) {
    std::size_t usable = 0;
    Generation* oldest = nullptr;
    for (const auto& generation : generations_) {
      if (!generation->usable()) continue;
      ++usable;
      if (generation->users() == 0 && (oldest == nullptr || generation->last_used() < oldest->last_used())) oldest = generation.get();
    }
    if (usable <= settings_.max_generations || oldest == nullptr) return;
    oldest->dismiss();
  }
}

// ---------------------------------------------------------------- ends

void GenerationPool::on_generation_gone(Generation& generation) {
  std::vector<GenerationUser*> users;
  for (auto& [run_id, use] : uses_) {
    if (use.generation != &generation) continue;
    use.generation = nullptr;
    users.push_back(use.user);
  }
  bury(generation);
  for (GenerationUser* user : users) user->on_generation_gone();
  advance_all_later();
}

// The caller may be one of the generation's own callbacks: it is destroyed later in this turn.
void GenerationPool::bury(Generation& generation) {
  const auto found = std::find_if(generations_.begin(), generations_.end(), [&](const auto& owner) { return owner.get() == &generation; });
  if (found == generations_.end()) return;
  std::shared_ptr<Generation> dead(std::move(*found));
  generations_.erase(found);
  loop_.defer([dead] {});
}

void GenerationPool::on_forked(Generation& generation, const core::Forked& forked) {
  const auto found = uses_.find(forked.run_id);
  if (found != uses_.end() && found->second.generation == &generation) {
    found->second.user->on_forked(forked);
  } else if (forked.pid > 1) {
    ::kill(-static_cast<pid_t>(forked.pid), SIGKILL);   // its run was given up
    ::kill(static_cast<pid_t>(forked.pid), SIGKILL);
  }
}

void GenerationPool::on_child_exited(Generation& generation, const core::ChildExited& exited) {
  std::vector<GenerationUser*> users;
  for (const auto& [run_id, use] : uses_) {
    if (use.generation == &generation) users.push_back(use.user);
  }
  for (GenerationUser* user : users) user->on_child_exited(exited.pid, static_cast<int>(exited.status));
}

void GenerationPool::give_up(std::int64_t generation_id) {
  if (Generation* generation = find(generation_id)) generation->kill();
}

bool GenerationPool::on_process_exited(std::int64_t pid, int status) {
  for (const auto& generation : generations_) {
    if (generation->on_process_exited(pid, status)) return true;
  }
  return false;
}

bool GenerationPool::owns_process(std::int64_t pid) const {
  return std::any_of(generations_.begin(), generations_.end(), [pid](const auto& generation) { return generation->pid() == pid; });
}

std::vector<core::GenerationStatus> GenerationPool::status(TimePoint now) const {
  std::vector<core::GenerationStatus> out;
  for (const auto& generation : generations_) {
    if (!generation->dismissed()) out.push_back(generation->status(now));
  }
  if (last_failure_) out.push_back(*last_failure_);
  return out;
}

bool GenerationPool::booting() const {
  return std::any_of(generations_.begin(), generations_.end(),
                     [](const auto& generation) { return generation->state() == GenerationState::booting; });
}

bool GenerationPool::empty() const { return generations_.empty(); }

void GenerationPool::close(bool at_once) {
  closing_ = true;
  background_.reset();
  for (const auto& generation : generations_) {
    generation->dismiss();
    if (at_once || generation->state() == GenerationState::booting) generation->kill();
  }
}

}  // namespace pf::ctl
