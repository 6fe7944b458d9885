#include <pfctl/generation_pool.hpp>
#include <pfctl/import_options.hpp>

#include <algorithm>
#include <csignal>
#include <utility>

namespace pf::ctl {
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
  wait.scope = settings_.scope_all ? BootScope{{}, true} : scope_of(user.request().argv, user.request().cwd);
  advance(run_id);
}

void GenerationPool::release(std::int64_t run_id) {
  waits_.erase(run_id);
  if (const auto found = uses_.find(run_id); found != uses_.end()) {
    Generation* generation = found->second.generation;
    uses_.erase(found);
    if (generation != nullptr && generation->plan().single_use) generation->dismiss();
    if (generation != nullptr) generation->remove_user();
  }
  start_background();
}

core::OsStrings GenerationPool::boot_argv(const core::RunRequest& request) const {
  return without_session_plugins(request.argv, settings_.session_plugins);
}

bool GenerationPool::suits(const Generation& generation, const core::RunRequest& request) const {
  if (generation.key() != generation_key(request.env, boot_argv(request), request.cwd, request.program)) return false;
  return generation.state() == GenerationState::booting || !generation.inputs()->environment_change(request.env);
}

std::vector<GenerationCandidate> GenerationPool::candidates(const Wait& wait) const {
  const core::RunRequest& request = wait.user->request();
  const std::optional<BootScope> needed = wait.user->needed_scope();
  std::vector<GenerationCandidate> out;
  for (const auto& generation : generations_) {
    const bool booting = generation->state() == GenerationState::booting && !generation->dismissed();
    if (!booting && !generation->usable()) continue;
    // "fork": collected for this run and used by no other.
    const bool own = wait.own_boot && wait.waits_for == generation->id();
    if ((generation->plan().single_use || request.options.start_method == "fork") && !own) continue;
    GenerationCandidate candidate;
    candidate.id = generation->id();
    candidate.booting = booting;
    candidate.suits = suits(*generation, request);
    if (needed && !(generation->plan().spec.cwd == request.cwd && covers(generation->plan().scope, *needed))) candidate.suits = false;
    const BootScope& scope = generation->plan().scope;
    candidate.covers = generation->plan().spec.cwd == request.cwd && covers(scope, wait.scope);
    candidate.wider = !needed && candidate.covers && !covers(wait.scope, scope);
    // What was booted for this very run is used by it, whatever its conftest did to the environment meanwhile.
    if (own) {
      candidate.suits = candidate.covers = true;
      candidate.wider = false;
    }
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
  if (!user->needed_scope()) generation.touch(loop_.now());   // warming is no use
  user->on_generation(generation);
}

void GenerationPool::look_for_change(std::int64_t generation_id, std::function<void(const std::optional<std::string>&)> then) {
  const Generation* const generation = find(generation_id);
  const std::shared_ptr<const InputSet> inputs = generation != nullptr ? generation->inputs() : nullptr;
  if (!inputs || inputs->is_certainly_unchanged()) return then(std::nullopt);
  if (inputs->size() <= k_inline_check_files) return then(inputs->file_change());
  auto change = std::make_shared<std::optional<std::string>>();
  loop_.queue_work([inputs, change] { *change = inputs->file_change(); }, [then = std::move(then), change] { then(*change); });
}

void GenerationPool::check(std::int64_t run_id, Generation& generation) {
  const std::shared_ptr<const InputSet> inputs = generation.inputs();
  const std::int64_t generation_id = generation.id();
  if (generation.expired()) {
    record_check(run_id, generation_id, generation.reason());
    return;
  }
  if (inputs->is_certainly_unchanged()) {
    record_check(run_id, generation_id, std::nullopt);
    return;
  }
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
  tell_watch_problem(*generation);
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

// Every check is a walk then: right, and slower.
void GenerationPool::tell_watch_problem(const Generation& generation) {
  const std::string problem = generation.inputs()->watch_problem();
  if (problem.empty() || problem == told_watch_problem_) return;
  told_watch_problem_ = problem;
  log_.line("generation " + std::to_string(generation.id()) + ": every file is looked at before each run: " + problem);
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
  return std::any_of(generations_.begin(), generations_.end(), [pid](const auto& generation) { return generation->owns_process(pid); });
}

bool GenerationPool::collects_in(std::int64_t session) const {
  return std::any_of(generations_.begin(), generations_.end(), [session](const auto& generation) { return generation->collects_in(session); });
}

bool GenerationPool::takes_runs(std::int64_t generation_id) const {
  const Generation* generation = find(generation_id);
  return generation != nullptr && generation->usable();
}

std::vector<core::GenerationStatus> GenerationPool::status(TimePoint now) const {
  std::vector<core::GenerationStatus> out;
  for (const auto& generation : generations_) {
    if (!generation->dismissed()) out.push_back(generation->status(now));
  }
  if (last_failure_) out.push_back(*last_failure_);
  return out;
}

std::vector<core::GenerationReport> GenerationPool::reports(TimePoint now) const {
  std::vector<core::GenerationReport> out;
  for (const auto& generation : generations_) {
    if (!generation->dismissed()) out.push_back(generation->report(now));
  }
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
