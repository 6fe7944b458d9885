#include "plan_groups.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <queue>
#include <unordered_map>

namespace pf::core {
namespace {

bool is_known(double seconds) noexcept { return std::isfinite(seconds) && seconds > 0; }

// The items that do not run alone.
std::vector<std::uint32_t> parallel_items(const PlanInput& input) {
  std::vector<bool> alone(input.items);
  for (const std::uint32_t item : input.serial) {
    if (item < alone.size()) alone[item] = true;
  }
  std::vector<std::uint32_t> items;
  items.reserve(input.items);
  for (std::uint32_t item = 0; item < input.items; ++item) {
    if (!alone[item]) items.push_back(item);
  }
  return items;
}

// Groups in the order of their first items; inside of a group, the items' own order.
std::vector<std::uint32_t> by_group(const PlanInput& input, const std::vector<std::uint32_t>& items) {
  std::unordered_map<std::uint32_t, std::uint32_t> ranks;
  std::vector<std::uint32_t> rank_of(items.size());
  std::vector<std::uint32_t> begins;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto found = ranks.emplace(input.groups[items[i]] & k_group_number, static_cast<std::uint32_t>(ranks.size())).first;
    rank_of[i] = found->second;
    if (found->second >= begins.size()) begins.push_back(0);
    ++begins[found->second];
  }
  std::exclusive_scan(begins.begin(), begins.end(), begins.begin(), 0u);
  std::vector<std::uint32_t> order(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) order[begins[rank_of[i]]++] = items[i];
  return order;
}

// What an item of unknown duration counts; 0 = none is known.
double average(const PlanInput& input) {
  double known_s = 0;
  std::size_t known = 0;
  for (std::size_t i = 0; i < std::min(input.expected_s.size(), input.items); ++i) {
    if (!is_known(input.expected_s[i])) continue;
    known_s += input.expected_s[i];
    ++known;
  }
  return known > 0 ? known_s / static_cast<double>(known) : 0.0;
}

}  // namespace

double PlanSequence::cost_of_cut(std::uint32_t place) const noexcept {
  return is_cut_shared(place) && std::isfinite(setup_s[place]) ? setup_s[place] : 0.0;
}

double PlanSequence::weight(std::uint32_t begin, std::uint32_t end) const noexcept {
  return sums[end] - sums[begin] + cost_of_cut(begin);
}

PlanSequence arrange(const PlanInput& input) {
  PlanSequence sequence;
  sequence.order = parallel_items(input);
  const bool is_grouped = input.groups.size() >= input.items;
  if (is_grouped) sequence.order = by_group(input, sequence.order);
  const std::size_t count = sequence.order.size();
  const double usual = average(input);
  sequence.has_durations = usual > 0;
  sequence.sums.assign(count + 1, 0.0);
  for (std::size_t place = 0; place < count; ++place) {
    const std::uint32_t item = sequence.order[place];
    sequence.words.push_back(is_grouped ? input.groups[item] : 0);
    const bool known = item < input.expected_s.size() && is_known(input.expected_s[item]);
    const bool has_setup = sequence.has_durations && item < input.setup_s.size() && input.setup_s[item] >= 0;
    sequence.setup_s.push_back(has_setup ? input.setup_s[item] : std::numeric_limits<double>::quiet_NaN());
    const double own_setup = has_setup && !sequence.is_cut_shared(static_cast<std::uint32_t>(place)) ? input.setup_s[item] : 0.0;
    sequence.sums[place + 1] = sequence.sums[place] + own_setup + (known ? input.expected_s[item] : usual > 0 ? usual : 1.0);
    if (input.needs.size() >= input.items) sequence.needs.push_back(input.needs[item]);
  }
  return sequence;
}

PlanBlock block_of(const PlanSequence& sequence, std::uint32_t begin, std::uint32_t end) {
  PlanBlock block;
  block.parts.push_back({begin, end});
  block.weight = sequence.weight(begin, end);
  for (std::uint32_t place = begin + 1; place < end; ++place) {
    if ((sequence.words[place] & k_cut_never) != 0) block.stays_together = true;
    if (sequence.is_cut_shared(place) && !std::isfinite(sequence.setup_s[place])) block.shares_unknown = true;
  }
  return block;
}

std::vector<PlanBlock> group_blocks(const PlanSequence& sequence) {
  std::vector<PlanBlock> blocks;
  const auto items = static_cast<std::uint32_t>(sequence.order.size());
  for (std::uint32_t begin = 0; begin < items;) {
    std::uint32_t end = begin + 1;
    while (end < items && ((sequence.words[end] ^ sequence.words[begin]) & k_group_number) == 0) ++end;
    blocks.push_back(block_of(sequence, begin, end));
    begin = end;
  }
  return blocks;
}

void sort_by_weight(std::vector<PlanBlock>& blocks) {
  std::stable_sort(blocks.begin(), blocks.end(), [](const PlanBlock& a, const PlanBlock& b) { return a.weight > b.weight; });
}

double list_schedule(std::span<const double> weights, std::size_t workers) {
  std::priority_queue<double, std::vector<double>, std::greater<>> loads;
  double last = 0;
  for (const double weight : weights) {
    double load = 0;
    if (loads.size() >= workers) {
      load = loads.top();
      loads.pop();
    }
    load += weight;
    last = std::max(last, load);
    loads.push(load);
  }
  return last;
}

double makespan(const std::vector<PlanBlock>& sorted, std::size_t workers) {
  std::vector<double> weights;
  weights.reserve(sorted.size());
  for (const PlanBlock& block : sorted) weights.push_back(block.weight);
  return list_schedule(weights, workers);
}

std::vector<PlanBlock> join_by_resource(const PlanSequence& sequence, std::vector<PlanBlock> blocks,
                                        std::span<const std::uint32_t> seats) {
  if (sequence.needs.empty()) return blocks;
  // Of a block: the resources that all of its items need.
  const auto needs_of = [&](const PlanBlock& block) {
    std::uint64_t common = ~std::uint64_t{0};
    for (const PlanRange& part : block.parts) {
      for (std::uint32_t place = part.begin; place < part.end; ++place) common &= sequence.needs[place];
    }
    return common;
  };
  const auto least_seats = [&](std::uint64_t needs) {
    std::size_t least = std::numeric_limits<std::uint32_t>::max();
    for (std::size_t resource = 0; resource < std::min(seats.size(), k_most_resources); ++resource) {
      if ((needs >> resource & 1) != 0) least = std::min<std::size_t>(least, std::max(seats[resource], 1u));
    }
    return least;
  };
  struct Lanes {
    std::uint64_t needs;
    std::vector<std::size_t> blocks;   // the first ones, as many as there are seats: others are joined to them
  };
  std::vector<Lanes> all;
  std::vector<PlanBlock> out;
  for (PlanBlock& block : blocks) {      // longest first: the lane with the least to do gets the next one
    const std::uint64_t needs = needs_of(block);
    if (needs == 0) {
      out.push_back(std::move(block));
      continue;
    }
    auto lanes = std::find_if(all.begin(), all.end(), [&](const Lanes& one) { return one.needs == needs; });
    if (lanes == all.end()) lanes = all.insert(all.end(), Lanes{needs, {}});
    if (lanes->blocks.size() < least_seats(needs)) {
      lanes->blocks.push_back(out.size());
      out.push_back(std::move(block));
      continue;
    }
    const auto lightest = std::min_element(lanes->blocks.begin(), lanes->blocks.end(),
                                           [&](std::size_t a, std::size_t b) { return out[a].weight < out[b].weight; });
    PlanBlock& lane = out[*lightest];
    lane.parts.insert(lane.parts.end(), block.parts.begin(), block.parts.end());
    lane.weight += block.weight;
    lane.stays_together = true;
  }
  sort_by_weight(out);
  return out;
}

}  // namespace pf::core
