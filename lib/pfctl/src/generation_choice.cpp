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
    if (a->covers != b->covers) return a->covers;
    return a->last_used != b->last_used ? a->last_used > b->last_used : a->id > b->id;
  });
  const auto first = [&](auto accepts) {
    const auto found = std::find_if(suitable.begin(), suitable.end(), [&](const auto* candidate) { return accepts(*candidate); });
    return found == suitable.end() ? nullptr : *found;
  };
  const auto is_fresh = [&](const GenerationCandidate& one) { return !one.booting && (one.boot_started >= received || one.fresh.value_or(false)); };
  const auto is_unknown = [](const GenerationCandidate& one) { return !one.booting && !one.fresh.has_value(); };
  const auto is_awaited = [](const GenerationCandidate& one) { return one.booting && !one.wider; };
  for (const bool narrow_too : {false, true}) {
    const auto counts = [&](const GenerationCandidate& one) { return one.covers || narrow_too; };
    if (const auto* one = first([&](const auto& c) { return counts(c) && is_fresh(c); })) return {Step::use, one->id};
    if (const auto* one = first([&](const auto& c) { return counts(c) && is_unknown(c); })) return {Step::check, one->id};
    if (const auto* one = first([&](const auto& c) { return counts(c) && is_awaited(c); })) return {Step::wait, one->id};
  }
  return {Step::boot, 0};
}

}  // namespace pf::ctl
