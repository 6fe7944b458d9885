#include <pfcore/plan.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
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

// Sums of the items' weights: weight of [begin, end) is sums[end] - sums[begin].
std::vector<double> weight_sums(const PlanInput& input) {
  const std::size_t given = std::min(input.expected_s.size(), input.items);
  double known_s = 0;
  std::size_t known = 0;
  for (std::size_t i = 0; i < given; ++i) {
    if (!is_known(input.expected_s[i])) continue;
    known_s += input.expected_s[i];
    ++known;
  }
  const double usual = known > 0 ? known_s / static_cast<double>(known) : 1.0;
  std::vector<double> sums(input.items + 1, 0.0);
  for (std::size_t i = 0; i < input.items; ++i) {
    sums[i + 1] = sums[i] + (i < given && is_known(input.expected_s[i]) ? input.expected_s[i] : usual);
  }
  return sums;
}

double weight(const std::vector<double>& sums, PlanRange range) noexcept { return sums[range.end] - sums[range.begin]; }

// Where the two parts of a range weigh most nearly the same, with an item at least in each.
std::uint32_t middle(const std::vector<double>& sums, PlanRange range) noexcept {
  const double half = (sums[range.begin] + sums[range.end]) / 2;
  const auto first = sums.begin() + range.begin + 1;
  auto at = std::lower_bound(first, sums.begin() + range.end - 1, half);
  if (at != first && half - *(at - 1) < *at - half) --at;
  return static_cast<std::uint32_t>(at - sums.begin());
}

// Pieces of at most `most`, in order, unless a piece is a single item.
void split(const std::vector<double>& sums, PlanRange whole, double most, std::vector<PlanRange>& out) {
  std::vector<PlanRange> open{whole};
  while (!open.empty()) {
    const PlanRange range = open.back();
    open.pop_back();
    if (range.end - range.begin < 2 || weight(sums, range) <= most) {
      out.push_back(range);
      continue;
    }
    const std::uint32_t at = middle(sums, range);
    open.push_back({at, range.end, range.whole});
    open.push_back({range.begin, at, range.whole});
  }
}

std::vector<PlanRange> group_runs(const PlanInput& input) {
  std::vector<PlanRange> runs;
  const auto items = static_cast<std::uint32_t>(input.items);
  const bool grouped = input.groups.size() >= input.items;
  for (std::uint32_t begin = 0; begin < items;) {
    std::uint32_t end = begin + 1;
    while (end < items && (!grouped || input.groups[end] == input.groups[begin])) ++end;
    runs.push_back({begin, end, grouped && (input.groups[begin] & k_shares_setup) != 0});
    begin = end;
  }
  return runs;
}

std::vector<PlanRange> by_groups(const PlanInput& input, bool splittable) {
  const std::vector<double> sums = weight_sums(input);
  const double most = sums.back() / static_cast<double>(input.workers) * k_worth_splitting;
  std::vector<PlanRange> ranges;
  for (const PlanRange& run : group_runs(input)) {
    if (splittable) split(sums, run, most, ranges);
    else ranges.push_back({run.begin, run.end, true});
  }
  std::stable_sort(ranges.begin(), ranges.end(),
                   [&](const PlanRange& a, const PlanRange& b) { return weight(sums, a) > weight(sums, b); });
  return ranges;
}

std::vector<PlanRange> by_chunks(std::size_t items, std::size_t chunks) {
  std::vector<PlanRange> ranges;
  chunks = std::clamp<std::size_t>(chunks, 1, items);
  for (std::size_t i = 0; i < chunks; ++i) {
    ranges.push_back({static_cast<std::uint32_t>(i * items / chunks), static_cast<std::uint32_t>((i + 1) * items / chunks)});
  }
  return ranges;
}

// The plan that runs ranges of pytest's order one after the other.
Plan lay_out(std::size_t items, const std::vector<PlanRange>& sources) {
  Plan plan;
  plan.order.reserve(items);
  plan.ranges.reserve(sources.size());
  for (const PlanRange& source : sources) {
    const auto begin = static_cast<std::uint32_t>(plan.order.size());
    for (std::uint32_t item = source.begin; item < source.end; ++item) plan.order.push_back(item);
    plan.ranges.push_back({begin, static_cast<std::uint32_t>(plan.order.size()), source.whole});
  }
  return plan;
}

}  // namespace

std::optional<Dist> parse_dist(std::string_view name) noexcept {
  const auto* found = std::find_if(k_dist_names.begin(), k_dist_names.end(), [&](const DistName& entry) { return entry.name == name; });
  if (found == k_dist_names.end()) return std::nullopt;
  return found->dist;
}

Plan make_plan(const PlanInput& input) {
  if (input.items == 0) return {};
  if (input.workers <= 1) return lay_out(input.items, by_chunks(input.items, 1));
  switch (input.dist) {
    case Dist::load: return lay_out(input.items, by_chunks(input.items, input.workers * k_chunks_per_worker));
    case Dist::worksteal: return lay_out(input.items, by_chunks(input.items, input.workers));
    case Dist::loadfile:
    case Dist::loadscope:
    case Dist::loadgroup: return lay_out(input.items, by_groups(input, false));
    case Dist::automatic: break;
  }
  return lay_out(input.items, by_groups(input, true));
}

}  // namespace pf::core
