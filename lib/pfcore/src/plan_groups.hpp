// Between a plan's input and its ranges: items brought together by group, with what their parts weigh.
#pragma once

#include <pfcore/plan.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace pf::core {

// The items that run beside others, in an order in which every group is contiguous.
struct PlanSequence {
  std::vector<std::uint32_t> order;
  std::vector<std::uint32_t> words;     // by place: the group word of the item
  // Of what is done wherever the order is cut: items, and the set-up of fixtures that begin with an item.
  std::vector<double> sums;
  std::vector<double> setup_s;          // by place: what fixtures cost that are set up there or anew there; NaN = not known
  std::vector<std::uint64_t> needs;     // by place; empty = none
  bool has_durations = false;           // seconds; otherwise every item counts as 1

  [[nodiscard]] bool is_cut_shared(std::uint32_t place) const noexcept { return (words[place] & k_cut_shares_setup) != 0; }
  // What a range pays for beginning here: fixtures that are set up elsewhere already. An unknown cost counts as nothing.
  [[nodiscard]] double cost_of_cut(std::uint32_t place) const noexcept;
  // What [begin, end) takes.
  [[nodiscard]] double weight(std::uint32_t begin, std::uint32_t end) const noexcept;
};

// Groups and parts of groups, on their way to be ranges.
struct PlanBlock {
  std::vector<PlanRange> parts;         // of PlanSequence::order; several when they share a resource
  double weight = 0;
  bool stays_together = false;          // it must not be split
  bool shares_unknown = false;          // a cut in it sets fixtures up again, at a cost that is not known
};

[[nodiscard]] PlanSequence arrange(const PlanInput& input);
// One block a group, in the order of their first items.
[[nodiscard]] std::vector<PlanBlock> group_blocks(const PlanSequence& sequence);
[[nodiscard]] PlanBlock block_of(const PlanSequence& sequence, std::uint32_t begin, std::uint32_t end);

// Longest first, stable.
void sort_by_weight(std::vector<PlanBlock>& blocks);
[[nodiscard]] double makespan(const std::vector<PlanBlock>& sorted, std::size_t workers);

// Splits what is worth it (plan.hpp, automatic). Sorted.
[[nodiscard]] std::vector<PlanBlock> split_blocks(const PlanSequence& sequence, std::vector<PlanBlock> groups, std::size_t workers);
// Joins blocks that wait for each other anyway.
[[nodiscard]] std::vector<PlanBlock> join_by_resource(const PlanSequence& sequence, std::vector<PlanBlock> blocks,
                                                      std::span<const std::uint32_t> seats);
// PlanRange::least_steal of a block that becomes one range.
[[nodiscard]] std::uint32_t least_steal(const PlanSequence& sequence, const PlanBlock& block, double makespan_s);

}  // namespace pf::core
