#include <pfcore/plan.hpp>

#include <algorithm>
#include <array>
#include <utility>

#include "plan_groups.hpp"

namespace pf::core {
namespace {

constexpr std::size_t k_chunks_per_worker = 8;

struct DistName {
  std::string_view name;
  Dist dist;
};
constexpr std::array<DistName, 6> k_dist_names{{
    {"auto", Dist::automatic},
    {"load", Dist::load},
    {"loadfile", Dist::loadfile},
    {"loadscope", Dist::loadscope},
    {"loadgroup", Dist::loadgroup},
    {"worksteal", Dist::worksteal},
}};

// The part of the plan that runs beside others, from blocks in claiming order.
Plan lay_out(const PlanSequence& sequence, const std::vector<PlanBlock>& blocks, const std::vector<std::uint32_t>& least) {
  Plan plan;
  plan.order.reserve(sequence.order.size());
  plan.ranges.reserve(blocks.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto begin = static_cast<std::uint32_t>(plan.order.size());
    for (const PlanRange& part : blocks[i].parts) {
      plan.order.insert(plan.order.end(), sequence.order.begin() + part.begin, sequence.order.begin() + part.end);
    }
    plan.ranges.push_back({begin, static_cast<std::uint32_t>(plan.order.size()), least[i]});
  }
  return plan;
}

Plan automatically(const PlanInput& input) {
  const PlanSequence sequence = arrange(input);
  const std::vector<PlanBlock> blocks =
      join_by_resource(sequence, split_blocks(sequence, group_blocks(sequence), input.workers), input.seats);
  const double length = makespan(blocks, input.workers);
  std::vector<std::uint32_t> least;
  for (const PlanBlock& block : blocks) least.push_back(least_steal(sequence, block, length));
  return lay_out(sequence, blocks, least);
}

Plan by_groups(const PlanInput& input) {
  const PlanSequence sequence = arrange(input);
  std::vector<PlanBlock> blocks = group_blocks(sequence);
  sort_by_weight(blocks);
  return lay_out(sequence, blocks, std::vector<std::uint32_t>(blocks.size(), k_never_cut));
}

Plan by_chunks(const PlanInput& input, std::size_t chunks) {
  PlanInput ungrouped = input;
  ungrouped.groups = {};
  const PlanSequence sequence = arrange(ungrouped);
  const std::size_t items = sequence.order.size();
  std::vector<PlanBlock> blocks;
  chunks = std::min(chunks, items);
  for (std::size_t i = 0; i < chunks; ++i) {
    blocks.push_back(block_of(sequence, static_cast<std::uint32_t>(i * items / chunks), static_cast<std::uint32_t>((i + 1) * items / chunks)));
  }
  return lay_out(sequence, blocks, std::vector<std::uint32_t>(blocks.size(), 1));
}

Plan beside_each_other(const PlanInput& input) {
  switch (input.dist) {
    case Dist::load: return by_chunks(input, input.workers * k_chunks_per_worker);
    case Dist::worksteal: return by_chunks(input, input.workers);
    case Dist::loadfile:
    case Dist::loadscope:
    case Dist::loadgroup: return by_groups(input);
    case Dist::automatic: break;
  }
  return automatically(input);
}

}  // namespace

std::optional<Dist> parse_dist(std::string_view name) noexcept {
  const auto* found = std::find_if(k_dist_names.begin(), k_dist_names.end(), [&](const DistName& entry) { return entry.name == name; });
  if (found == k_dist_names.end()) return std::nullopt;
  return found->dist;
}

Plan make_plan(const PlanInput& input) {
  if (input.items == 0) return {};
  if (input.workers <= 1) {
    PlanInput in_order;
    in_order.items = input.items;
    return by_chunks(in_order, 1);
  }
  Plan plan = beside_each_other(input);
  const auto begin = static_cast<std::uint32_t>(plan.order.size());
  std::vector<bool> planned(input.items);
  for (const std::uint32_t item : plan.order) planned[item] = true;
  for (std::uint32_t item = 0; item < input.items; ++item) {
    if (!planned[item]) plan.order.push_back(item);
  }
  plan.serial = static_cast<std::uint32_t>(input.items) - begin;
  if (plan.serial > 0) plan.ranges.push_back({begin, static_cast<std::uint32_t>(input.items), k_never_cut});
  if (input.needs.size() >= input.items && !input.seats.empty()) {
    plan.seats.assign(input.seats.begin(), input.seats.begin() + static_cast<std::ptrdiff_t>(std::min(input.seats.size(), k_most_resources)));
    for (const std::uint32_t item : plan.order) plan.needs.push_back(input.needs[item]);
  }
  return plan;
}

}  // namespace pf::core
