// The boots of GenerationPool: what is started for whom, and what replaces what.
#include <algorithm>
#include <utility>

#include <pfctl/generation_pool.hpp>
#include <pfctl/process_info.hpp>

namespace pf::ctl {
namespace {

constexpr int k_boots_per_run = 2;

}  // namespace

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
  plan.deadline = settings_.boot_deadline;
  if (request.options.boot_timeout_s > 0) plan.deadline = milliseconds_of(request.options.boot_timeout_s);
  plan.scope = scope_of(request.argv, request.cwd);
  if (settings_.scope_all) plan.scope = BootScope{{}, true};
  return plan;
}

BootPlan GenerationPool::plan_for(const Wait& wait) const {
  const core::RunRequest& request = wait.user->request();
  BootPlan plan = plan_for(request);
  plan.replaces = wait.stale;
  if (wait.stale) plan.why = wait.stale_reason;
  else plan.why = generations_.empty() ? "no generation yet" : "none of the generations has these options and this environment";
  const std::optional<BootScope> needed = wait.user->needed_scope();
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
  if (const auto& replaced = generation.plan().replaces) {
    if (Generation* old = find(*replaced)) {
      generation.touch(old->last_used());      // no use of it so far
      old->dismiss();
    }
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

std::int64_t GenerationPool::held_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& generation : generations_) {
    if (generation->usable()) bytes += process_rss_bytes(generation->pid());
  }
  return bytes;
}

// The one that was used last stays, whatever it holds.
void GenerationPool::evict() {
  for (;;) {
    std::size_t usable = 0;
    Generation* oldest = nullptr;
    for (const auto& generation : generations_) {
      if (!generation->usable()) continue;
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
