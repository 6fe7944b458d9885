// The boots of GenerationPool: what is started for whom, and what replaces what.
#include <algorithm>
#include <utility>

#include <pfctl/generation_pool.hpp>
#include <pfctl/process_info.hpp>

namespace pf::ctl {
namespace {

constexpr int k_boots_per_run = 2;

// A broken edit replaces nothing good: once it is mended, that is fresh again.
bool may_replace(const Generation& newer, const Generation& older) { return !newer.broken() || older.broken(); }

}  // namespace

BootPlan GenerationPool::plan_for(const core::RunRequest& request) const {
  BootPlan plan;
  plan.spec.executable = settings_.forkserver_path;
  plan.spec.python = settings_.python;
  plan.spec.cwd = request.cwd;
  plan.spec.env = request.env;
  plan.spec.nofile = settings_.nofile;
  plan.argv = boot_argv(request);
  plan.program = request.program;
  plan.umask = request.umask;
  plan.root = settings_.root;
  plan.deadline = settings_.boot_deadline;
  if (request.options.boot_timeout_s > 0) plan.deadline = milliseconds_of(request.options.boot_timeout_s);
  plan.scope = scope_of(request.argv, request.cwd);
  if (settings_.scope_all) plan.scope = BootScope{{}, true};
  plan.single_use = request.options.start_method == "fork";
  return plan;
}

// What a generation leaves to be made again, when another one takes its place that collects `scope`.
std::shared_ptr<const BootPlan> rest_of(const BootPlan& replaced, const std::string& cwd, const BootScope& scope) {
  const BootPlan& wide = replaced.rest ? *replaced.rest : replaced;
  if (wide.spec.cwd != cwd || covers(scope, wide.scope)) return nullptr;
  auto rest = std::make_shared<BootPlan>(wide);
  rest->rest.reset();
  return rest;
}

BootPlan GenerationPool::plan_for(const Wait& wait) const {
  const core::RunRequest& request = wait.user->request();
  BootPlan plan = plan_for(request);
  plan.replaces = wait.stale;
  if (wait.stale) plan.why = wait.stale_reason;
  else if (plan.single_use) plan.why = "start method fork: collected for this run";
  else plan.why = generations_.empty() ? "no generation yet" : "none of the generations has these options and this environment";
  const std::optional<BootScope> needed = wait.user->needed_scope();
  if (const Generation* stale = wait.stale ? find(*wait.stale) : nullptr; stale != nullptr && !needed) {
    plan.rest = rest_of(stale->plan(), plan.spec.cwd, plan.scope);
  }
  if (!needed) return plan;
  plan.scope = settings_.scope_all ? BootScope{{}, true} : *needed;
  if (wait.stale) return plan;
  for (const auto& generation : generations_) {
    if (!generation->usable() || !suits(*generation, request) || generation->plan().spec.cwd != request.cwd) continue;
    plan.scope = unite(generation->plan().scope, plan.scope);
    plan.replaces = generation->id();
    plan.why = "more is to be warm than was collected";
  }
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
  BootPlan plan = plan_for(wait);
  if (wait.boots > 0) plan.why = "the forkserver was killed while it collected";
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
  plan_resume(plan);
  generations_.push_back(std::make_unique<Generation>(loop_, log_, listener, next_id_++, std::move(plan)));
  Generation& generation = *generations_.back();
  if (auto started = generation.start(); !started) {
    last_failure_ = generation.status(loop_.now());
    return nullptr;
  }
  return &generation;
}

void GenerationPool::on_generation_ready(Generation& generation) {
  last_failure_.reset();
  forget_failure(generation);
  if (const auto& replaced = generation.plan().replaces) {
    if (Generation* old = find(*replaced)) {
      generation.touch(old->last_used());      // no use of it so far
      if (may_replace(generation, *old)) old->dismiss();
    }
  }
  if (!generation.plan().background) failed_scope_.reset();   // something has changed since
  succeed_in_background(generation);
  if (!generation.plan().single_use) dismiss_superseded(generation);
  evict();
  advance_all_later();
}

void GenerationPool::on_generation_failed(Generation& generation) {
  last_failure_ = generation.status(loop_.now());
  remember_failure(generation);
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
    const bool same = !wait.own_boot && !generation.plan().background && boot_argv(request) == generation.plan().argv &&
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
  if (const auto& rest = generation->plan().rest) {
    if (rest->scope.whole && !plan.scope.whole) plan.argv = rest->argv;   // that name no path
    plan.scope = unite(plan.scope, rest->scope);
  }
  if (plan.scope == generation->plan().scope || (failed_scope_ && plan.scope == *failed_scope_)) return;
  plan.replaces = generation_id;
  plan.background = true;
  plan.why = "a run asked for more than the generation had collected";
  background_ = std::move(plan);
  start_background();
}

// Of two for the same options, folder and environment the one that began later and collected as much serves every run.
void GenerationPool::dismiss_superseded(const Generation& newer) {
  for (const auto& older : generations_) {
    if (older->id() == newer.id() || !older->usable() || older->key() != newer.key() || !may_replace(newer, *older)) continue;
    if (older->boot_started() >= newer.boot_started() || older->plan().spec.cwd != newer.plan().spec.cwd) continue;
    if (covers(newer.plan().scope, older->plan().scope) && !older->inputs()->environment_change(newer.plan().spec.env)) older->dismiss();
  }
}

// A run that named a part of a stale generation has been served: the whole of it is made again behind it.
void GenerationPool::succeed_in_background(const Generation& generation) {
  const std::shared_ptr<const BootPlan> rest = generation.plan().rest;
  if (!rest || closing_) return;
  BootPlan plan = *rest;
  if (!covers(plan.scope, generation.plan().scope) && !plan.scope.whole) plan.scope = unite(plan.scope, generation.plan().scope);
  plan.spec.env = generation.plan().spec.env;
  plan.replaces = generation.id();
  plan.background = true;
  plan.why = "the rest of what was collected before: " + generation.plan().why;
  background_ = std::move(plan);
}

void GenerationPool::start_background() {
  if (!background_ || !waits_.empty() || !uses_.empty() || booting() || closing_) return;
  BootPlan plan = std::move(*background_);
  background_.reset();
  if (has_fresh(plan)) return;
  if (start_boot(std::move(plan)) == nullptr) bury(*generations_.back());
}

// What the plan would make is there: a boot that was under way when the plan was made.
bool GenerationPool::has_fresh(const BootPlan& plan) const {
  const std::string key = generation_key(plan.spec.env, plan.argv, plan.spec.cwd, plan.program);
  return std::any_of(generations_.begin(), generations_.end(), [&](const auto& generation) {
    const BootPlan& made = generation->plan();
    if (!generation->usable() || made.single_use || made.spec.cwd != plan.spec.cwd || generation->key() != key || !covers(made.scope, plan.scope)) return false;
    const InputSet& inputs = *generation->inputs();
    if (inputs.environment_change(plan.spec.env)) return false;
    return inputs.is_certainly_unchanged() || (inputs.size() <= k_inline_check_files && !inputs.file_change());
  });
}

std::int64_t GenerationPool::held_bytes() const {
  // A checkpoint shares most of its pages with the others and its generation: asking for the rest of each would take a millisecond.
  constexpr std::int64_t k_checkpoint_bytes = 10 << 20;
  std::int64_t bytes = 0;
  for (const auto& generation : generations_) {
    if (!generation->usable()) continue;
    bytes += process_rss_bytes(generation->pid()) + k_checkpoint_bytes * static_cast<std::int64_t>(generation->checkpoints());
  }
  return bytes;
}

// The one that was used last stays, whatever it holds.
void GenerationPool::evict() {
  for (;;) {
    std::size_t usable = 0;
    Generation* oldest = nullptr;
    for (const auto& generation : generations_) {
      if (!generation->usable() || generation->plan().single_use) continue;
      ++usable;
      if (generation->users() == 0 && (oldest == nullptr || generation->last_used() < oldest->last_used())) oldest = generation.get();
    }
    const bool too_many = usable > settings_.max_generations;
    const bool too_large = usable > 1 && settings_.max_bytes > 0 && held_bytes() > settings_.max_bytes;
    if ((!too_many && !too_large) || oldest == nullptr) return;
    log_.line("generation " + std::to_string(oldest->id()) + ": leaves, used longest ago: " +
              (too_many ? "more than " + std::to_string(settings_.max_generations) + " are warm"
                        : "together they hold " + std::to_string(held_bytes() >> 20) + " MiB, " + std::to_string(settings_.max_bytes >> 20) +
                              " are allowed (memory)"));
    oldest->dismiss();
  }
}

}  // namespace pf::ctl
