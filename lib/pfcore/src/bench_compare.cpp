#include <pfcore/bench_compare.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "metrics_sums.hpp"
#include "report_lines.hpp"
#include "text_markup.hpp"

namespace pf::core {
namespace {

using std::chrono::nanoseconds;
using Durations = std::vector<nanoseconds>;

constexpr std::size_t k_listed = 20;

double median_number(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 != 0) return *middle;
  return (*std::max_element(values.begin(), middle) + *middle) / 2;
}

// The mean range of so many samples, in standard deviations ("d2" of control charts; Montgomery, "Introduction to Statistical
// Quality Control", appendix VI).
double range_in_deviations(std::size_t samples) noexcept {
  constexpr std::array<double, 11> k_d2{1, 1, 1.128, 1.693, 2.059, 2.326, 2.534, 2.704, 2.847, 2.970, 3.078};
  return k_d2[std::min(samples, k_d2.size() - 1)];
}

// Of a few samples either estimate can be far too small by chance; both at a time seldom are.
double deviation_of(const Spread& spread) noexcept {
  return std::max(to_seconds(spread.deviation()), to_seconds(spread.most - spread.least) / range_in_deviations(spread.samples));
}

// One test on both sides, in seconds.
struct Pair {
  const std::string* nodeid = nullptr;
  Spread before;
  Spread now;
  double cpu_before = 0;
  double cpu_now = 0;
  double expected = 0;     // before, on the machine as it is now
  double scale = 1;        // expected / before
  double noise = 0;

  [[nodiscard]] double now_s() const noexcept { return to_seconds(now.median); }
  [[nodiscard]] double change() const noexcept { return expected > 0 ? now_s() / expected - 1 : 0; }
};

class Comparing {
 public:
  Comparing(const BenchRecord& before, const BenchRecord& now) { pair_up(before, now); }

  BenchComparison result() {
    allow_for_machine();
    find_noise();
    std::vector<double> told_from;
    for (const Pair& pair : pairs_) {
      told_from.push_back(least_change(pair) / std::max(pair.expected, 1e-9));
      if (std::abs(pair.now_s() - pair.expected) < least_change(pair) || !are_apart(pair)) continue;
      auto& list = pair.now_s() > pair.expected ? found_.slower : found_.faster;
      list.push_back({*pair.nodeid, from_seconds(pair.expected), pair.now.median, from_seconds(pair.noise)});
    }
    found_.compared = pairs_.size();
    found_.told_from = median_number(std::move(told_from));
    for (auto* list : {&found_.slower, &found_.faster}) {
      std::stable_sort(list->begin(), list->end(), [](const BenchChange& a, const BenchChange& b) {
        return std::chrono::abs(a.now - a.before) > std::chrono::abs(b.now - b.before);
      });
    }
    return std::move(found_);
  }

 private:
  void pair_up(const BenchRecord& before, const BenchRecord& now) {
    std::unordered_map<std::string_view, const BenchRecord::Test*> known;
    for (const BenchRecord::Test& test : before.tests) known.emplace(test.nodeid, &test);
    found_.gone = known.size();
    for (const BenchRecord::Test& test : now.tests) {
      const auto found = known.find(test.nodeid);
      if (found == known.end()) {
        ++found_.added;
        continue;
      }
      --found_.gone;
      add(*found->second, test);
      known.erase(found);
    }
  }

  void add(const BenchRecord::Test& before, const BenchRecord::Test& now) {
    if (std::min(before.own.size(), now.own.size()) < k_compared_samples) {
      ++found_.too_few;
      return;
    }
    Pair pair;
    pair.nodeid = &now.nodeid;
    pair.before = spread_of(before.own);
    pair.now = spread_of(now.own);
    if (std::max(pair.before.median, pair.now.median) < k_least_difference) {
      ++found_.brief;
      return;
    }
    pair.cpu_before = to_seconds(median_of(before.cpu));
    pair.cpu_now = to_seconds(median_of(now.cpu));
    pairs_.push_back(pair);
  }

  // What all tests have in common is the machine's, or something's that they all use: nobody can tell the two apart.
  void allow_for_machine() {
    std::vector<double> factors;
    for (const Pair& pair : pairs_) {
      if (pair.cpu_before >= to_seconds(k_least_difference) && pair.cpu_now > 0) factors.push_back(pair.cpu_now / pair.cpu_before);
    }
    if (factors.size() >= k_machine_tests) found_.machine = median_number(std::move(factors));
    for (Pair& pair : pairs_) {
      const double before = to_seconds(pair.before.median);
      const double computed = std::min(pair.cpu_before, before);
      pair.expected = before - computed + computed * found_.machine;
      pair.scale = before > 0 ? pair.expected / before : 1;
    }
  }

  void find_noise() {
    std::vector<double> deviations;
    std::vector<double> changes;
    for (const Pair& pair : pairs_) {
      for (const Spread* spread : {&pair.before, &pair.now}) {
        if (spread->median > nanoseconds::zero()) deviations.push_back(deviation_of(*spread) / to_seconds(spread->median));
      }
      changes.push_back(std::abs(pair.change()));
    }
    const bool many = pairs_.size() >= k_machine_tests;
    const double usual = many ? median_number(std::move(deviations)) : 0;
    const double between = many ? 1.4826 * median_number(std::move(changes)) : 0;
    for (Pair& pair : pairs_) {
      const double before = std::max(deviation_of(pair.before) * pair.scale, usual * pair.expected);
      const double now = std::max(deviation_of(pair.now), usual * pair.now_s());
      pair.noise = std::max(std::hypot(before, now), between * pair.expected);
    }
  }

  [[nodiscard]] static double least_change(const Pair& pair) noexcept {
    return std::max({k_least_change * pair.expected, to_seconds(k_least_difference), k_noise * pair.noise});
  }

  [[nodiscard]] static bool are_apart(const Pair& pair) noexcept {
    const double least = to_seconds(pair.before.least) * pair.scale;
    const double most = to_seconds(pair.before.most) * pair.scale;
    return to_seconds(pair.now.least) > most || to_seconds(pair.now.most) < least;
  }

  std::vector<Pair> pairs_;
  BenchComparison found_;
};

std::string side_text(const BenchRecord& record) {
  return seconds_text(median_of(record.walls)) + " wall in " + counted_text(record.walls.size(), "run") + " on " +
         counted_text(record.workers, "worker") + " and " + counted_text(record.processors, "processor") + "; pfast " + record.pfast + ", Python " +
         record.python;
}

void put_changes(std::string& out, const char* title, const std::vector<BenchChange>& changes, Markup color, const TextStyle& style) {
  if (changes.empty()) return;
  out += '\n' + marked(title, {color, Markup::bold}, style) + " (" + std::to_string(changes.size()) + ")\n";
  for (std::size_t i = 0; i < std::min(changes.size(), k_listed); ++i) {
    const BenchChange& change = changes[i];
    out += aligned_right(format_number("%+.0f %%", change.relative() * 100), 8) + "  " + seconds_text(change.before) + " -> " +
           seconds_text(change.now) + ", noise " + seconds_text(change.noise) + "  " + shown_nodeid(change.nodeid, style) + '\n';
  }
  if (changes.size() > k_listed) out += "  and " + std::to_string(changes.size() - k_listed) + " more\n";
}

std::string counts_text(const BenchComparison& found) {
  std::string out = counted_text(found.compared, "test");
  const std::array<std::pair<std::size_t, const char*>, 4> others{{{found.brief, " shorter than 0.010 s"}, {found.too_few, " with too few runs"},
                                                                   {found.added, " new"}, {found.gone, " gone or failed"}}};
  for (const auto& [count, what] : others) {
    if (count > 0) out += ", " + std::to_string(count) + what;
  }
  return out;
}

}  // namespace

BenchRecord record_of(const BenchFigures& figures) {
  BenchRecord record;
  record.walls = figures.walls();
  if (figures.runs() > 0) {
    record.workers = figures.median_run().workers();
    record.processors = figures.median_run().processors();
  }
  for (const BenchTest& test : figures.tests()) {
    if (!test.failed) record.tests.push_back({test.nodeid, test.own, test.cpu});
  }
  return record;
}

double BenchChange::relative() const noexcept {
  return before > nanoseconds::zero() ? to_seconds(now) / to_seconds(before) - 1 : 0;
}

BenchComparison compare_benches(const BenchRecord& before, const BenchRecord& now) { return Comparing(before, now).result(); }

std::string comparison_text(const BenchRecord& before, const BenchRecord& now, const std::string& name, const TextStyle& style) {
  const BenchComparison found = compare_benches(before, now);
  std::string out = separator("compared with " + name, '=', {Markup::bold}, style);
  put_labelled(out, "before", side_text(before));
  put_labelled(out, "now", side_text(now));
  if (before.workers != now.workers || before.processors != now.processors || before.python != now.python) {
    put_labelled(out, "mind", "the two were not measured under the same conditions");
  }
  put_labelled(out, "compared", counts_text(found));
  if (std::abs(found.machine - 1) >= 0.01) {
    put_labelled(out, "machine", "the same tests take " + format_number("%+.0f %%", (found.machine - 1) * 100) +
                                     " processor time throughout, which is allowed for: the machine, or what all of them use");
  }
  if (found.compared > 0) put_labelled(out, "noise", "of the middle test, changes from " + percent_text(found.told_from) + " on are told from noise");
  if (found.compared == 0 && found.too_few > 0) {
    put_labelled(out, "result", "nothing can be said: noise is known from three runs that count on both sides, --bench=4");
  } else if (found.slower.empty() && found.faster.empty()) {
    put_labelled(out, "result", "no change that is more than noise");
  } else {
    put_labelled(out, "result", counted_text(found.slower.size(), "test") + " slower, " + counted_text(found.faster.size(), "test") + " faster");
  }
  put_changes(out, "slower", found.slower, Markup::red, style);
  put_changes(out, "faster", found.faster, Markup::green, style);
  return out;
}

}  // namespace pf::core
