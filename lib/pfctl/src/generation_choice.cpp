#include <pfctl/generation_choice.hpp>

#include <algorithm>
#include <vector>

namespace pf::ctl {

GenerationChoice choose_generation(std::span<const GenerationCandidate> candidates, TimePoint received) {
  using Step = GenerationChoice::Step;
  std::vector<const GenerationCandidate*> suitable;
  for (const GenerationCandidate& candidate : candidates) {
    if (candidate.suits) suitable.push_back(&candidate);
  }
  std::sort(suitable.begin(), suitable.end(), [](const GenerationCandidate* a, const GenerationCandidate* b) {
    return a->last_used != b->last_used ? a->last_used > b->last_used : a->id > b->id;
  });
  for (const GenerationCandidate* candidate : suitable) {
    if (candidate->booting) continue;
    if (candidate->boot_started >= received || candidate->fresh.value_or(false)) return {Step::use, candidate->id};
  }
  for (const GenerationCandidate* candidate : suitable) {
    if (!candidate->booting && !candidate->fresh.has_value()) return {Step::check, candidate->id};
  }
  for (const GenerationCandidate* candidate : suitable) {
    if (candidate->booting) return {Step::wait, candidate->id};
  }
  return {Step::boot, 0};
}

}  // namespace pf::ctl
