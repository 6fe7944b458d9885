#include <pfcore/metrics_groups.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include <pfcore/metrics_timing.hpp>
#include <pfcore/plan.hpp>

#include "metrics_sums.hpp"

namespace pf::core {
namespace {

using std::chrono::nanoseconds;
using Durations = std::vector<nanoseconds>;

constexpr std::uint32_t k_stays = k_cut_shares_setup | k_cut_never;

// By item: the unit that a worker runs as a whole. Units are parts of groups.
std::vector<std::uint32_t> units_of(std::span<const std::uint32_t> words) {
  std::vector<std::uint32_t> units(words.size());
  std::unordered_map<std::uint32_t, std::uint32_t> last_of_group;
  std::uint32_t next = 0;
  for (std::size_t item = 0; item < words.size(); ++item) {
    const std::uint32_t group = words[item] & k_group_number;
    const auto last = last_of_group.find(group);
    const bool goes_on = last != last_of_group.end() && (words[item] & k_stays) != 0;
    units[item] = goes_on ? last->second : next++;
    last_of_group[group] = units[item];
  }
  return units;
}

struct Entry {
  std::uint32_t unit = 0;
  std::uint32_t worker = 0;
  std::uint32_t life = 0;
  std::vector<const RunItem*> items;
  bool first_of_life = false;

  [[nodiscard]] bool shares() const noexcept { return items.size() > 1; }
};

class Grouping {
 public:
  Grouping(std::span<const RunItem> items, std::span<const std::uint32_t> words) : words_(words), units_(units_of(words)) {
    std::map<std::pair<std::uint32_t, std::uint32_t>, bool> begun;
    std::map<std::pair<std::uint64_t, std::uint32_t>, std::size_t> known;   // unit and worker, life
    for (const RunItem& item : items) {
      const std::uint32_t unit = item.item < units_.size() ? units_[item.item] : static_cast<std::uint32_t>(units_.size()) + item.item;
      const auto key = std::pair(std::uint64_t{unit} << 32 | item.worker, item.life);
      const auto [found, is_new] = known.emplace(key, entries_.size());
      if (is_new) {
        Entry& entry = entries_.emplace_back();
        entry.unit = unit;
        entry.worker = item.worker;
        entry.life = item.life;
        entry.first_of_life = !std::exchange(begun[{item.worker, item.life}], true);
      }
      entries_[found->second].items.push_back(&item);
    }
    note_usual_setups();
  }

  RunGroups result() {
    RunGroups out;
    out.start = start();
    for (const Entry& entry : entries_) {
      RunGroup& group = out.groups.emplace_back();
      group.first_item = entry.items.front()->item;
      group.items = entry.items.size();
      for (const RunItem* item : entry.items) {
        group.times.wall = plus(group.times.wall, fitted(item->busy));
        group.times.cpu = plus(group.times.cpu, fitted(item->cpu));
        group.times.queued = plus(group.times.queued, fitted(item->queued));
      }
      out.as_run.push_back(group.times.wall);
      GroupTimes less = group.times;
      if (entry.first_of_life) {
        less.wall -= std::min(less.wall, out.start.wall);
        less.cpu -= std::min(less.cpu, out.start.cpu);
        less.queued -= std::min(less.queued, out.start.queued);
      }
      out.without_start.push_back(less);
    }
    return out;
  }

 private:
  [[nodiscard]] std::uint32_t group_of(const RunItem& item) const noexcept {
    return item.item < words_.size() ? words_[item.item] & k_group_number : ~std::uint32_t{0};
  }

  // Of items that found everything shared set up already.
  void note_usual_setups() {
    std::unordered_map<std::uint32_t, Durations> by_unit;
    std::unordered_map<std::uint32_t, Durations> by_group;
    Durations all;
    for (const Entry& entry : entries_) {
      const bool first_is_usual = !entry.first_of_life && !entry.shares();
      for (std::size_t i = first_is_usual ? 0 : 1; i < entry.items.size(); ++i) {
        const nanoseconds setup = fitted(entry.items[i]->setup);
        by_unit[entry.unit].push_back(setup);
        by_group[group_of(*entry.items[i])].push_back(setup);
        all.push_back(setup);
      }
    }
    for (auto& [unit, setups] : by_unit) usual_of_unit_[unit] = median_of(std::move(setups));
    for (auto& [group, setups] : by_group) usual_of_group_[group] = median_of(std::move(setups));
    usual_ = median_of(std::move(all));
  }

  // What the entry's first item set up beyond what is usual for it.
  [[nodiscard]] nanoseconds excess(const Entry& entry) const {
    const RunItem& first = *entry.items.front();
    nanoseconds usual = usual_;
    if (const auto found = usual_of_group_.find(group_of(first)); found != usual_of_group_.end()) usual = found->second;
    if (const auto found = usual_of_unit_.find(entry.unit); found != usual_of_unit_.end()) usual = found->second;
    return std::max(fitted(first.setup) - usual, nanoseconds::zero());
  }

  // Of one life's first entry: without what a group's own fixtures usually take, when it began with such a group.
  [[nodiscard]] nanoseconds own_start(const Entry& first) const {
    nanoseconds cost = excess(first);
    if (!first.shares()) return cost;
    Durations others;
    for (const Entry& entry : entries_) {
      if (entry.unit != first.unit && !entry.first_of_life && entry.shares()) others.push_back(excess(entry));
    }
    return cost - std::min(cost, median_of(std::move(others)));
  }

  [[nodiscard]] GroupTimes start() const {
    std::optional<nanoseconds> least;
    const RunItem* item = nullptr;
    for (const Entry& entry : entries_) {
      if (!entry.first_of_life) continue;
      const nanoseconds cost = own_start(entry);
      if (least && *least <= cost) continue;
      least = cost;
      item = entry.items.front();
    }
    GroupTimes start;
    if (item == nullptr) return start;
    const double part = share_of(*least, fitted(item->setup));
    const auto scaled = [part](nanoseconds whole) { return from_seconds(to_seconds(fitted(whole)) * part); };
    start.wall = *least;
    start.cpu = scaled(item->setup_cpu);
    start.queued = std::min(scaled(item->setup_queued), start.wall);
    return start;
  }

  std::span<const std::uint32_t> words_;
  std::vector<std::uint32_t> units_;
  std::vector<Entry> entries_;
  std::unordered_map<std::uint32_t, nanoseconds> usual_of_unit_;
  std::unordered_map<std::uint32_t, nanoseconds> usual_of_group_;
  nanoseconds usual_{};
};

}  // namespace

RunGroups run_groups(std::span<const RunItem> items, std::span<const std::uint32_t> words) { return Grouping(items, words).result(); }

}  // namespace pf::core
