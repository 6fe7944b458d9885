#include <pfcore/plan.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <unordered_map>
#include <utility>

namespace pf::core {
namespace {

constexpr double k_worth_splitting = 1.05;
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

bool is_known(double seconds) noexcept { return std::isfinite(seconds) && seconds > 0; }

// The items in an order in which every group is contiguous, with what is known of each place.
struct Sequence {
  std::vector<std::uint32_t> order;
  std::vector<std::uint32_t> words;   // by place: the group word of the item
  std::vector<double> sums;           // the weight of [begin, end) is sums[end] - sums[begin]
};

bool is_grouped(const PlanInput& input) noexcept { return input.groups.size() >= input.items; }

// Groups in the order of their first items; inside of a group, the items' own order.
std::vector<std::uint32_t> by_group(const PlanInput& input) {
  std::unordered_map<std::uint32_t, std::uint32_t> ranks;
  std::vector<std::uint32_t> rank_of(input.items);
  std::vector<std::uint32_t> begins;
  for (std::size_t i = 0; i < input.items; ++i) {
    const auto found = ranks.emplace(input.groups[i] & k_group_number, static_cast<std::uint32_t>(ranks.size())).first;
    rank_of[i] = found->second;
    if (found->second >= begins.size()) begins.push_back(0);
    ++begins[found->second];
  }
  std::exclusive_scan(begins.begin(), begins.end(), begins.begin(), 0u);
  std::vector<std::uint32_t> order(input.items);
  for (std::uint32_t i = 0; i < input.items; ++i) order[begins[rank_of[i]]++] = i;
  return order;
}

std::vector<double> weights(const PlanInput& input) {
  const std::size_t given = std::min(input.expected_s.size(), input.items);
  double known_s = 0;
  std::size_t known = 0;
  for (std::size_t i = 0; i < given; ++i) {
    if (!is_known(input.expected_s[i])) continue;
    known_s += input.expected_s[i];
    ++known;
  }
  std::vector<double> out(input.items, known > 0 ? known_s / static_cast<double>(known) : 1.0);
  for (std::size_t i = 0; i < given; ++i) {
    if (is_known(input.expected_s[i])) out[i] = input.expected_s[i];
  }
  return out;
}

Sequence arrange(const PlanInput& input) {
  Sequence sequence;
  if (is_grouped(input)) {
    sequence.order = by_group(input);
    for (const std::uint32_t item : sequence.order) sequence.words.push_back(input.groups[item]);
  } else {
    sequence.order.resize(input.items);
    std::iota(sequence.order.begin(), sequence.order.end(), 0u);
    sequence.words.assign(input.items, 0);
  }
  const std::vector<double> weight_of = weights(input);
  sequence.sums.assign(input.items + 1, 0.0);
  for (std::size_t i = 0; i < input.items; ++i) sequence.sums[i + 1] = sequence.sums[i] + weight_of[sequence.order[i]];
  return sequence;
}

double weight(const Sequence& sequence, PlanRange range) noexcept { return sequence.sums[range.end] - sequence.sums[range.begin]; }

// Is there a place in the range, not its first one, whose word has this bit?
bool has_cut(const Sequence& sequence, PlanRange range, std::uint32_t bit) noexcept {
  return std::any_of(sequence.words.begin() + range.begin + 1, sequence.words.begin() + range.end,
                     [bit](std::uint32_t word) { return (word & bit) != 0; });
}

// Where the two parts of a range weigh most nearly the same, with an item at least in each.
std::uint32_t middle(const std::vector<double>& sums, PlanRange range) noexcept {
  const double half = (sums[range.begin] + sums[range.end]) / 2;
  const auto first = sums.begin() + range.begin + 1;
  auto at = std::lower_bound(first, sums.begin() + range.end - 1, half);
  if (at != first && half - *(at - 1) < *at - half) --at;
  return static_cast<std::uint32_t>(at - sums.begin());
}

// Pieces of at most `most`, in order, unless a piece is a single item or its items stay together.
void split(const Sequence& sequence, PlanRange whole, double most, std::vector<PlanRange>& out) {
  std::vector<PlanRange> open{whole};
  while (!open.empty()) {
    const PlanRange range = open.back();
    open.pop_back();
    if (range.end - range.begin < 2 || weight(sequence, range) <= most || has_cut(sequence, range, k_cut_never)) {
      out.push_back({range.begin, range.end, has_cut(sequence, range, k_cut_never | k_cut_shares_setup)});
      continue;
    }
    const std::uint32_t at = middle(sequence.sums, range);
    open.push_back({at, range.end});
    open.push_back({range.begin, at});
  }
}

std::vector<PlanRange> group_ranges(const Sequence& sequence) {
  std::vector<PlanRange> ranges;
  const auto items = static_cast<std::uint32_t>(sequence.order.size());
  for (std::uint32_t begin = 0; begin < items;) {
    std::uint32_t end = begin + 1;
    while (end < items && ((sequence.words[end] ^ sequence.words[begin]) & k_group_number) == 0) ++end;
    ranges.push_back({begin, end});
    begin = end;
  }
  return ranges;
}

// The plan that runs ranges of a sequence one after the other.
Plan lay_out(const std::vector<std::uint32_t>& order, const std::vector<PlanRange>& sources) {
  Plan plan;
  plan.order.reserve(order.size());
  plan.ranges.reserve(sources.size());
  for (const PlanRange& source : sources) {
    const auto begin = static_cast<std::uint32_t>(plan.order.size());
    plan.order.insert(plan.order.end(), order.begin() + source.begin, order.begin() + source.end);
    plan.ranges.push_back({begin, static_cast<std::uint32_t>(plan.order.size()), source.whole});
  }
  return plan;
}

Plan by_groups(const PlanInput& input, bool splittable) {
  const Sequence sequence = arrange(input);
  const double most = sequence.sums.back() / static_cast<double>(input.workers) * k_worth_splitting;
  std::vector<PlanRange> ranges;
  for (const PlanRange& group : group_ranges(sequence)) {
    if (splittable) split(sequence, group, most, ranges);
    else ranges.push_back({group.begin, group.end, true});
  }
  std::stable_sort(ranges.begin(), ranges.end(),
                   [&](const PlanRange& a, const PlanRange& b) { return weight(sequence, a) > weight(sequence, b); });
  return lay_out(sequence.order, ranges);
}

Plan by_chunks(std::size_t items, std::size_t chunks) {
  std::vector<std::uint32_t> order(items);
  std::iota(order.begin(), order.end(), 0u);
  std::vector<PlanRange> ranges;
  chunks = std::clamp<std::size_t>(chunks, 1, items);
  for (std::size_t i = 0; i < chunks; ++i) {
    ranges.push_back({static_cast<std::uint32_t>(i * items / chunks), static_cast<std::uint32_t>((i + 1) * items / chunks)});
  }
  return lay_out(order, ranges);
}

}  // namespace

std::optional<Dist> parse_dist(std::string_view name) noexcept {
  const auto* found = std::find_if(k_dist_names.begin(), k_dist_names.end(), [&](const DistName& entry) { return entry.name == name; });
  if (found == k_dist_names.end()) return std::nullopt;
  return found->dist;
}

Plan make_plan(const PlanInput& input) {
  if (input.items == 0) return {};
  if (input.workers <= 1) return by_chunks(input.items, 1);
  switch (input.dist) {
    case Dist::load: return by_chunks(input.items, input.workers * k_chunks_per_worker);
    case Dist::worksteal: return by_chunks(input.items, input.workers);
    case Dist::loadfile:
    case Dist::loadscope:
    case Dist::loadgroup: return by_groups(input, false);
    case Dist::automatic: break;
  }
  return by_groups(input, true);
}

}  // namespace pf::core
