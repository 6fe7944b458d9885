#include <pfctl/run_measurements.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>

#include <pfcore/plan.hpp>

namespace pf::ctl {
namespace {

constexpr double k_weight_of_new = 1.0 / 3;
constexpr double k_unknown = std::numeric_limits<double>::quiet_NaN();

std::uint32_t group_of(std::uint32_t word) noexcept { return word & core::k_group_number; }

// Which fixtures items have in common: a unit is a part of a group without a cut that costs nothing.
class Units {
 public:
  explicit Units(const core::U32List& groups) : of_(groups.size()) {
    std::unordered_map<std::uint32_t, std::uint32_t> last_of_group;
    for (std::uint32_t item = 0; item < groups.size(); ++item) {
      const auto [last, is_first] = last_of_group.emplace(group_of(groups[item]), item);
      const bool goes_on = !is_first && (groups[item] & core::k_cut_shares_setup) != 0;
      if (goes_on) of_[item] = of_[last->second];
      else of_[item] = static_cast<std::uint32_t>(sizes_.size());
      if (goes_on) ++sizes_[of_[item]];
      else sizes_.push_back(1);
      last->second = item;
    }
  }
  [[nodiscard]] std::size_t count() const noexcept { return sizes_.size(); }
  [[nodiscard]] std::uint32_t of(std::uint32_t item) const noexcept { return of_[item]; }
  [[nodiscard]] bool shares(std::uint32_t item) const noexcept { return sizes_[of_[item]] > 1; }
  [[nodiscard]] bool are_one(std::uint32_t a, std::uint32_t b) const noexcept { return of_[a] == of_[b] && shares(a); }

 private:
  std::vector<std::uint32_t> of_;
  std::vector<std::uint32_t> sizes_;
};

// A mean of none is NaN.
class Mean {
 public:
  void add(double value) noexcept {
    if (!std::isfinite(value)) return;
    sum_ += value;
    ++count_;
  }
  [[nodiscard]] double value() const noexcept { return count_ > 0 ? sum_ / static_cast<double>(count_) : k_unknown; }

 private:
  double sum_ = 0;
  std::size_t count_ = 0;
};

void move_towards(float& mean, double value, std::uint16_t runs) {
  const double weight = std::max(k_weight_of_new, 1.0 / (1.0 + runs));
  mean = static_cast<float>(std::isfinite(mean) ? mean + (value - mean) * weight : value);
}

// An exact measurement replaces a bound; a bound only tells something when nothing better is known.
void note(float& mean, bool& is_bound, double value, bool value_is_bound, std::uint16_t runs) {
  if (!std::isfinite(value)) return;
  if (value_is_bound) {
    if (std::isfinite(mean) && (!is_bound || mean <= value)) return;
    mean = static_cast<float>(value);
    is_bound = true;
    return;
  }
  if (is_bound) mean = k_unknown_s;
  is_bound = false;
  move_towards(mean, value, runs);
}

double known_or(double value, double otherwise) noexcept { return std::isfinite(value) ? value : otherwise; }

std::optional<float> duration_of(const core::ItemResult& result, std::string_view when) {
  const auto phase = std::find_if(result.phases.begin(), result.phases.end(), [&](const core::PhaseReport& one) { return one.when == when; });
  if (phase == result.phases.end() || !std::isfinite(phase->duration_s) || phase->duration_s < 0) return std::nullopt;
  return static_cast<float>(phase->duration_s);
}

std::string_view file_of(std::string_view nodeid) noexcept { return nodeid.substr(0, nodeid.find("::")); }

// Items of one unit that a process had one after the other: the first one set up what they share, the last one ended it.
// `is_start`: it was the process' first work, so that the session's fixtures are in the first one's set-up, too.
void learn_stretch(History& history, std::span<const ItemTimes> stretch, bool is_start, const std::vector<std::string>& nodeids, bool shares) {
  Mean setups;
  Mean teardowns;
  for (std::size_t i = 0; i < stretch.size(); ++i) {
    if (i > 0) setups.add(stretch[i].setup_s);
    if (i + 1 < stretch.size()) teardowns.add(stretch[i].teardown_s);
  }
  const double last_teardown = stretch.back().teardown_s;
  const double own_teardown = shares ? std::min(last_teardown, known_or(teardowns.value(), 0)) : last_teardown;
  for (std::size_t i = 0; i < stretch.size(); ++i) {
    const ItemTimes& times = stretch[i];
    TestRecord* record = history.change(nodeids[times.item]);
    if (record == nullptr) continue;
    const bool is_last = i + 1 == stretch.size();
    move_towards(record->call_s, times.call_s + (is_last ? own_teardown : times.teardown_s), record->runs);
    if (i > 0 || !shares) {
      note(record->setup_s, record->setup_is_bound, times.setup_s, i == 0 && is_start, record->runs);
    } else {
      const double before = record->setup_is_bound ? k_unknown : record->setup_s;
      const double own = known_or(setups.value(), known_or(before, 0));
      const double cost = std::max(0.0, times.setup_s - own) + last_teardown - own_teardown;
      note(record->shared_s, record->shared_is_bound, cost, is_start, record->runs);
    }
    if (record->runs < std::numeric_limits<std::uint16_t>::max()) ++record->runs;
  }
}

}  // namespace

void RunMeasurements::end_worker(std::size_t slot) {
  if (slot < life_of_.size()) life_of_[slot] = 0;
}

void RunMeasurements::add(std::size_t slot, const core::ItemResult& result) {
  if (result.outcome == "rerun" || result.item >= items_) return;
  const bool failed = result.outcome == "failed" || result.outcome == "error";
  ends_.push_back({result.item, failed, !failed && result.attempt > 1});
  const auto call = duration_of(result, "call");
  if (!call || !result.lost.empty()) return;
  if (slot >= life_of_.size()) life_of_.resize(slot + 1, 0);
  if (life_of_[slot] == 0) {
    lives_.emplace_back();
    life_of_[slot] = lives_.size();
  }
  lives_[life_of_[slot] - 1].push_back(
      {result.item, duration_of(result, "setup").value_or(0), *call, duration_of(result, "teardown").value_or(0)});
}

void RunMeasurements::learn(History& history, const std::vector<std::string>& nodeids, const core::U32List& groups, std::uint32_t day) const {
  if (groups.size() != items_ || nodeids.size() != items_) return;
  const Units units(groups);
  for (const End& end : ends_) {
    TestRecord* record = history.change(nodeids[end.item]);
    if (record == nullptr) continue;
    record->outcomes = record->outcomes << 1 | (end.failed ? 1u : 0u);
    record->day = day;
    if (end.flaky && record->flaky < std::numeric_limits<std::uint16_t>::max()) ++record->flaky;
  }
  for (const Life& life : lives_) {
    for (std::size_t begin = 0; begin < life.size();) {
      std::size_t end = begin + 1;
      while (end < life.size() && units.are_one(life[begin].item, life[end].item)) ++end;
      learn_stretch(history, std::span(life).subspan(begin, end - begin), begin == 0, nodeids, units.shares(life[begin].item));
      begin = end;
    }
  }
}

Expectations expectations(const History& history, const std::vector<std::string>& nodeids, const core::U32List& groups) {
  Expectations out;
  out.expected_s.assign(nodeids.size(), k_unknown);
  out.setup_s.assign(nodeids.size(), k_unknown);
  if (history.size() == 0 || groups.size() != nodeids.size()) return out;
  const Units units(groups);
  std::vector<Mean> own_setup(units.count());
  std::vector<Mean> shared(units.count());
  std::unordered_map<std::string_view, Mean> files;
  std::vector<const TestRecord*> records(nodeids.size());
  for (std::uint32_t item = 0; item < nodeids.size(); ++item) {
    const TestRecord* record = records[item] = history.find(nodeids[item]);
    if (record == nullptr) continue;
    if (!record->setup_is_bound) own_setup[units.of(item)].add(record->setup_s);
    shared[units.of(item)].add(record->shared_s);
  }
  for (std::uint32_t item = 0; item < nodeids.size(); ++item) {
    out.setup_s[item] = units.shares(item) ? shared[units.of(item)].value() : 0.0;
    if (records[item] == nullptr || !std::isfinite(records[item]->call_s)) continue;
    const double setup = known_or(own_setup[units.of(item)].value(), 0);
    out.expected_s[item] = records[item]->call_s + known_or(records[item]->setup_is_bound ? k_unknown : records[item]->setup_s, setup);
    files[file_of(nodeids[item])].add(out.expected_s[item]);
  }
  for (std::uint32_t item = 0; item < nodeids.size(); ++item) {
    if (std::isfinite(out.expected_s[item])) continue;
    if (const auto file = files.find(file_of(nodeids[item])); file != files.end()) out.expected_s[item] = file->second.value();
  }
  return out;
}

}  // namespace pf::ctl
