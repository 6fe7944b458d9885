// Generations and checkpoints: a boot that goes on from one, what it falls back to, and which one a successor gets.
#include <csignal>
#include <utility>

#include <pfctl/generation_pool.hpp>

namespace pf::ctl {
namespace {

// Two forks, and nothing that waits: a checkpoint that takes longer is stopped or gone.
constexpr Milliseconds k_resume_limit{3000};
// A look at more files than this would hold the loop.
constexpr std::size_t k_most_inputs = 20000;

}  // namespace

core::Status Generation::resume() {
  Checkpoint* const checkpoint = plan_.resume->ladder.top();
  auto process = ForkserverProcess::resume(loop_, *this, log_, *checkpoint);
  if (!process) return std::move(process).error();
  anew_ = plan_;
  anew_->resume.reset();
  process_ = std::move(*process);
  ladder_ = plan_.resume->ladder;
  boot_clock_ = plan_.resume->boot_clock;
  plan_.argv = plan_.resume->argv;
  plan_.spec.env = plan_.resume->env;
  resumed_before_ = checkpoint->before();
  plan_.resume.reset();                     // it would keep what the ladder drops
  send_order();
  resume_limit_.start(k_resume_limit);
  deadline_.start(plan_.deadline);
  return core::ok_status();
}

void Generation::on_resumed() {
  resume_limit_.stop();
  stop_watch_.start(k_stop_look, k_stop_look);
  log_.line("generation " + std::to_string(id_) + ": goes on before " + resumed_before_ + " as process " + std::to_string(pid()) + " (" + plan_.why + ")");
}

std::string Generation::checkpoint_note() const {
  if (!resumed_before_.empty()) return "went on from the checkpoint before " + resumed_before_;
  return ladder_ready_.obstacle.empty() ? std::string() : "checkpoints are missing: " + ladder_ready_.obstacle;
}

void Generation::on_not_resumed() {
  resume_limit_.stop();
  if (state_ != GenerationState::booting || pid() != 0) return;
  if (dismissed_ || given_up_) {
    fail("boot-died", "collect the suite: it was given up", "", k_exit_no_boot);
    return;
  }
  begin_anew("the checkpoint did not answer");
}

void Generation::begin_anew(const std::string& why) {
  log_.line("generation " + std::to_string(id_) + ": could not go on before " + resumed_before_ + " (" + why + "), begins anew");
  std::shared_ptr<ForkserverProcess> dead(std::move(process_));   // its callback is on the stack
  loop_.defer([dead] {});
  plan_ = std::move(*anew_);
  anew_.reset();
  ladder_.clear();
  resumed_before_.clear();
  boot_failed_.reset();
  looks_stopped_ = 0;
  if (auto begun = begin(); !begun) listener_.on_generation_failed(*this);
}

void Generation::on_checkpoint(core::CheckpointMade made, core::UniqueFd channel) {
  if (state_ != GenerationState::booting || plan_.checkpoints == 0) return;
  auto checkpoint = Checkpoint::open(loop_, std::move(made), plan_.scope, std::move(channel));
  if (checkpoint) ladder_.add(std::move(*checkpoint), plan_.checkpoints);
}

std::shared_ptr<const ResumePlan> Generation::resume_plan(const BootScope& scope, HotFiles& hot) const {
  if (!inputs_ || inputs_->size() > k_most_inputs) return nullptr;
  const auto changed = inputs_->first_changed();
  if (changed) hot.note(inputs_->path(*changed));
  if (ladder_.empty()) return nullptr;
  auto plan = std::make_shared<ResumePlan>();
  plan->ladder = ladder_.up_to(ladder_ready_.input_marks, changed, scope);
  if (plan->ladder.empty()) return nullptr;
  plan->argv = plan_.argv;
  plan->env = plan_.spec.env;
  plan->boot_clock = boot_clock_;
  return plan;
}

// ---------------------------------------------------------------- the pool

void GenerationPool::plan_resume(BootPlan& plan) {
  plan.checkpoints = plan.single_use ? 0 : settings_.checkpoints;
  plan.hot = hot_.paths();
  if (plan.checkpoints == 0 || !plan.replaces) return;
  const Generation* const source = find(*plan.replaces);
  if (source == nullptr || !source->usable()) return;
  const BootPlan& made = source->plan();
  if (made.single_use || made.spec.cwd != plan.spec.cwd || made.umask != plan.umask || made.program != plan.program) return;
  if (source->key() != generation_key(plan.spec.env, plan.argv, plan.spec.cwd, plan.program) || source->inputs()->environment_change(plan.spec.env)) return;
  plan.resume = source->resume_plan(plan.scope, hot_);
  plan.hot = hot_.paths();
}

}  // namespace pf::ctl
