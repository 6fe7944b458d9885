// What GenerationPool knows for watchers: whose inputs are worth looking at, and what a refresh would boot.
#include <algorithm>
#include <utility>

#include <pfctl/generation_pool.hpp>

namespace pf::ctl {
namespace {

GenerationWish wish_of(std::int64_t id, const BootPlan& plan) {
  GenerationWish wish{id, {}, plan.scope};
  wish.request.argv = plan.argv;
  wish.request.cwd = plan.spec.cwd;
  wish.request.env = plan.spec.env;
  wish.request.umask = plan.umask;
  wish.request.program = plan.program;
  return wish;
}

bool same_boot(const BootPlan& a, const BootPlan& b) {
  return a.argv == b.argv && a.program == b.program && a.spec.cwd == b.spec.cwd && a.scope == b.scope && a.spec.env == b.spec.env;
}

}  // namespace

std::vector<GenerationWish> GenerationPool::wishes() const {
  std::vector<GenerationWish> out;
  for (const auto& generation : generations_) {
    if (generation->usable() && !generation->plan().single_use) out.push_back(wish_of(generation->id(), generation->plan()));
  }
  return out;
}

std::vector<GenerationWish> GenerationPool::outdated_wishes() const {
  std::vector<GenerationWish> out;
  for (const auto& generation : generations_) {
    if (is_outdated(*generation)) out.push_back(wish_of(generation->id(), generation->plan()));
  }
  if (failed_boot_ && !failed_boot_->change.empty() && !serves(failed_boot_->plan, false)) out.push_back(wish_of(0, failed_boot_->plan));
  return out;
}

std::optional<std::string> GenerationPool::outdated() const {
  for (const auto& generation : generations_) {
    if (is_outdated(*generation)) return generation->reason();
  }
  if (failed_boot_ && !failed_boot_->change.empty() && !serves(failed_boot_->plan, false)) return failed_boot_->change;
  return std::nullopt;
}

// Another one that is there for the same: a fresh one when `fresh`.
bool GenerationPool::serves(const BootPlan& plan, bool fresh) const {
  const std::string key = generation_key(plan.spec.env, plan.argv, plan.spec.cwd, plan.program);
  return std::any_of(generations_.begin(), generations_.end(), [&](const auto& one) {
    return one->usable() && !one->plan().single_use && (!fresh || one->state() == GenerationState::ready) && one->key() == key &&
           one->plan().spec.cwd == plan.spec.cwd && covers(one->plan().scope, plan.scope) && !one->inputs()->environment_change(plan.spec.env);
  });
}

bool GenerationPool::is_outdated(const Generation& generation) const {
  if (!generation.usable() || generation.plan().single_use || generation.state() != GenerationState::stale) return false;
  if (serves(generation.plan(), true)) return false;
  // It was tried, and nothing has changed since.
  const bool tried = failed_boot_ && failed_boot_->change.empty() && same_boot(failed_boot_->plan, generation.plan());
  return !tried;
}

std::vector<GenerationPool::Watchable> GenerationPool::watchables() const {
  std::vector<Watchable> out;
  for (const auto& generation : generations_) {
    if (generation->usable() && !generation->plan().single_use) out.push_back({generation->id(), generation->inputs()});
  }
  if (failed_boot_ && failed_boot_->inputs) out.push_back({failed_boot_->id, failed_boot_->inputs});
  return out;
}

void GenerationPool::record_look(std::int64_t id, const std::optional<std::string>& change, bool touched) {
  // Of a boot that could not tell what it had read, anything may have been the reason.
  if (failed_boot_ && !failed_boot_->inputs && touched) failed_boot_->change = "files were touched";
  if (failed_boot_ && failed_boot_->id == id) {
    failed_boot_->change = change.value_or("");
  } else if (Generation* const generation = find(id)) {
    tell_watch_problem(*generation);
    if (change) generation->mark_stale(*change);
    else generation->mark_fresh();
  }
  dismiss_outdone();
}

// A collection with errors has served its turn when what it stood beside is fresh again; so has the memory of a failed boot.
void GenerationPool::dismiss_outdone() {
  for (const auto& generation : generations_) {
    if (generation->usable() && generation->broken() && generation->state() == GenerationState::stale && serves(generation->plan(), true)) {
      generation->dismiss();
    }
  }
  if (failed_boot_ && !failed_boot_->change.empty() && serves(failed_boot_->plan, true)) {
    failed_boot_.reset();
    last_failure_.reset();
  }
}

void GenerationPool::expire(const std::string& why) {
  for (const auto& generation : generations_) {
    if (generation->usable()) generation->expire(why);
  }
  if (failed_boot_) failed_boot_->change = why;
}

void GenerationPool::remember_failure(const Generation& generation) {
  if (!generation.plan().single_use) failed_boot_ = FailedBoot{generation.id(), generation.plan(), generation.inputs(), {}};
}

void GenerationPool::forget_failure(const Generation& ready) {
  if (!failed_boot_) return;
  const BootPlan& plan = ready.plan();
  const bool same = plan.spec.cwd == failed_boot_->plan.spec.cwd && covers(plan.scope, failed_boot_->plan.scope) &&
                    ready.key() == generation_key(failed_boot_->plan.spec.env, failed_boot_->plan.argv, failed_boot_->plan.spec.cwd,
                                                  failed_boot_->plan.program);
  if (same) failed_boot_.reset();
}

}  // namespace pf::ctl
