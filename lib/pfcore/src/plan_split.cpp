// Which groups are worth splitting, and where.
#include <algorithm>
#include <cmath>
#include <queue>
#include <utility>

#include "plan_groups.hpp"

namespace pf::core {
namespace {

constexpr double k_worth = 1.05;             // by so much a run gets shorter for each group that is split
constexpr double k_least_gain_s = 0.05;      // and by so much at least: less is lost in the noise of a machine
constexpr double k_free_cut_within = 0.1;    // of a piece: a cut that costs no set-up is looked for so far from the best place

double least_gain(const PlanSequence& sequence) noexcept { return sequence.has_durations ? k_least_gain_s : 0.0; }

double total(const std::vector<PlanBlock>& blocks) noexcept {
  double sum = 0;
  for (const PlanBlock& block : blocks) sum += block.weight;
  return sum;
}

// The last place to which [begin, …) takes at most `room`; at least one item is taken, and `end` is left alone. A cut that
// costs nothing is worth a somewhat shorter piece.
std::uint32_t cut_after(const PlanSequence& sequence, std::uint32_t begin, std::uint32_t end, double room) {
  const auto first = sequence.sums.begin() + begin + 1;
  const auto past = std::upper_bound(first, sequence.sums.begin() + end, sequence.sums[begin] + room);
  const auto cut = std::max(static_cast<std::uint32_t>(past - sequence.sums.begin()) - 1, begin + 1);
  const double least = sequence.sums[begin] + (sequence.sums[cut] - sequence.sums[begin]) * (1 - k_free_cut_within);
  for (std::uint32_t place = cut; place > begin + 1 && sequence.sums[place] >= least; --place) {
    if (!sequence.is_cut_shared(place)) return place;
  }
  return cut;
}

// Pieces of equal weight: as few as are not longer than `most`.
void split_evenly(const PlanSequence& sequence, const PlanBlock& block, double most, std::vector<PlanBlock>& out) {
  std::uint32_t begin = block.parts.front().begin;
  const std::uint32_t end = block.parts.front().end;
  const double whole = sequence.sums[end] - sequence.sums[begin];
  for (auto pieces = static_cast<std::uint32_t>(std::min(std::ceil(whole / most), double(end - begin))); pieces > 1; --pieces) {
    if (end - begin < 2) break;
    const double left = sequence.sums[end] - sequence.sums[begin];
    // The middle of an item decides on which side it is.
    std::uint32_t cut = begin + 1;
    while (cut + 1 < end && (sequence.sums[cut] + sequence.sums[cut + 1]) / 2 - sequence.sums[begin] <= left / pieces) ++cut;
    out.push_back(block_of(sequence, begin, cut));
    begin = cut;
  }
  out.push_back(block_of(sequence, begin, end));
}

struct Attempt {
  std::vector<PlanBlock> blocks;   // sorted
  std::size_t groups_split = 0;
};

// Blocks, longest first, to the workers with the least to do; what would end after `target` is cut there, and the rest goes on
// with the next worker (McNaughton, "Scheduling with Deadlines and Loss Functions", 1959).
Attempt fit(const PlanSequence& sequence, const std::vector<PlanBlock>& groups, std::size_t workers, double target) {
  Attempt attempt;
  std::priority_queue<double, std::vector<double>, std::greater<>> loads(std::greater<>{}, std::vector<double>(workers, 0.0));
  const auto place = [&](double weight) {
    const double load = loads.top() + weight;
    loads.pop();
    loads.push(load);
  };
  for (const PlanBlock& group : groups) {
    const bool fits = loads.top() + group.weight <= target * (1 + 1e-9);
    std::uint32_t begin = group.parts.front().begin;
    const std::uint32_t end = group.parts.front().end;
    if (fits || group.stays_together || group.shares_unknown || end - begin < 2) {
      place(group.weight);
      attempt.blocks.push_back(group);
      continue;
    }
    std::size_t pieces = 0;
    while (begin < end) {
      const double room = target - loads.top() - sequence.cost_of_cut(begin);
      const bool is_last = end - begin < 2 || sequence.sums[end] - sequence.sums[begin] <= room || pieces + 1 >= workers;
      const std::uint32_t cut = is_last ? end : cut_after(sequence, begin, end, room);
      attempt.blocks.push_back(block_of(sequence, begin, cut));
      place(attempt.blocks.back().weight);
      begin = cut;
      ++pieces;
    }
    if (pieces > 1) ++attempt.groups_split;
  }
  sort_by_weight(attempt.blocks);
  return attempt;
}

}  // namespace

std::vector<PlanBlock> split_blocks(const PlanSequence& sequence, std::vector<PlanBlock> groups, std::size_t workers) {
  const double fair = total(groups) / static_cast<double>(workers);
  std::vector<PlanBlock> whole;
  for (PlanBlock& group : groups) {
    const bool too_long = group.shares_unknown && !group.stays_together && group.weight > fair * k_worth;
    if (too_long) split_evenly(sequence, group, fair * k_worth, whole);
    else whole.push_back(std::move(group));
  }
  sort_by_weight(whole);

  const double unsplit = makespan(whole, workers);
  Attempt best{whole, 0};
  double best_cost = unsplit;
  for (double target = fair; target * k_worth < unsplit; target *= k_worth) {
    Attempt attempt = fit(sequence, whole, workers, target);
    const double length = makespan(attempt.blocks, workers);
    const double cost = length * std::pow(k_worth, static_cast<double>(attempt.groups_split));
    if (cost >= best_cost || unsplit - length < least_gain(sequence)) continue;
    best_cost = cost;
    best = std::move(attempt);
  }
  return std::move(best.blocks);
}

std::uint32_t least_steal(const PlanSequence& sequence, const PlanBlock& block, double makespan_s) {
  if (block.stays_together || block.shares_unknown || block.parts.size() != 1) return k_never_cut;
  const PlanRange part = block.parts.front();
  double setup = 0;
  for (std::uint32_t place = part.begin + 1; place < part.end; ++place) {
    setup = std::max(setup, sequence.cost_of_cut(place));
  }
  const double per_item = (sequence.sums[part.end] - sequence.sums[part.begin]) / (part.end - part.begin);
  const double least = std::ceil((setup + std::max(makespan_s * (k_worth - 1), least_gain(sequence))) / per_item);
  return least < k_never_cut ? std::max(static_cast<std::uint32_t>(least), 1u) : k_never_cut;
}

}  // namespace pf::core
