#include <pfctl/ladder.hpp>

#include <algorithm>
#include <utility>

namespace pf::ctl {

Checkpoint::Checkpoint(Loop& loop, core::CheckpointMade made, BootScope scope)
    : made_(std::move(made)), scope_(std::move(scope)), channel_(loop, *this) {}

core::Result<std::shared_ptr<Checkpoint>> Checkpoint::open(Loop& loop, core::CheckpointMade made, BootScope scope, core::UniqueFd channel) {
  std::shared_ptr<Checkpoint> checkpoint(new Checkpoint(loop, std::move(made), std::move(scope)));
  if (auto opened = checkpoint->channel_.open(std::move(channel)); !opened) return std::move(opened).error();
  return checkpoint;
}

void Checkpoint::resume(core::UniqueFd channel, core::UniqueFd output) {
  std::vector<core::UniqueFd> fds;
  fds.push_back(std::move(channel));
  fds.push_back(std::move(output));
  channel_.send(core::encode(core::ResumeRequest{}), std::move(fds));
}

void Ladder::add(std::shared_ptr<Checkpoint> checkpoint, std::size_t most) {
  std::erase_if(rungs_, [](const auto& one) { return !one->alive(); });
  rungs_.push_back(std::move(checkpoint));
  std::vector<core::Rung> rungs;
  for (const auto& one : rungs_) rungs.push_back(one->rung());
  if (const auto drop = core::rung_to_drop(rungs, most)) rungs_.erase(rungs_.begin() + static_cast<std::ptrdiff_t>(*drop));
}

bool Ladder::holds(std::int64_t pid) const noexcept {
  return std::any_of(rungs_.begin(), rungs_.end(), [pid](const auto& one) { return one->pid() == pid && one->alive(); });
}

Ladder Ladder::up_to(const core::U32List& input_marks, std::optional<std::size_t> first_changed, const BootScope& wanted) const {
  Ladder found;
  std::vector<core::Rung> rungs;
  for (const auto& one : rungs_) {
    if (!one->alive() || !covers(one->scope(), wanted)) continue;
    found.rungs_.push_back(one);
    rungs.push_back(one->rung());
  }
  const auto best = core::rung_to_resume(rungs, input_marks, first_changed);
  found.rungs_.resize(best ? *best + 1 : 0);
  return found;
}

std::vector<core::CheckpointStatus> Ladder::status() const {
  std::vector<core::CheckpointStatus> out;
  for (const auto& one : rungs_) {
    if (one->alive()) out.push_back({one->pid(), one->before()});
  }
  return out;
}

}  // namespace pf::ctl
