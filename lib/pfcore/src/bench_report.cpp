#include <pfcore/bench_report.hpp>

#include <algorithm>
#include <utility>
#include <vector>

#include <pfcore/metrics_setup.hpp>
#include <pfcore/plan.hpp>

#include "metrics_sums.hpp"
#include "report_lines.hpp"
#include "text_markup.hpp"

namespace pf::core {
namespace {

using std::chrono::nanoseconds;

constexpr std::size_t k_listed = 10;
constexpr std::string_view k_indent = "     ";

std::vector<FixtureSetup> setups_of(const RunFigures& run) {
  std::vector<FixtureSetup> out;
  const U32List& words = run.measured()->groups;
  for (const TestFigures& test : run.tests()) {
    const std::uint32_t group = test.item < words.size() ? words[test.item] & k_group_number : ~std::uint32_t{0};
    for (const FixtureReport& fixture : test.fixtures) {
      out.push_back({fixture.fixture, fixture.origin, fixture.scope, fixture.param, test.worker, group, from_seconds(fixture.took_s)});
    }
  }
  return out;
}

std::string remedy_text(const SetupCluster& cluster) {
  switch (cluster.remedy) {
    case SetupRemedy::widen_scope: return "a wider scope pays it once, if the tests can share it";
    case SetupRemedy::keep_together: return "one worker pays it once, if its tests stay together: --dist loadscope or loadfile";
    case SetupRemedy::before_the_workers: return "each worker pays it: fewer workers, or what all can share made before the run";
  }
  return {};
}

std::string kind_text(CallKind kind, const CallTimes& times) {
  const std::string share = percent_text(cpu_share(times));
  switch (kind) {
    case CallKind::setup_heavy:
      return "its fixtures take " + seconds_text(times.setup + times.teardown) + ", its call " + seconds_text(times.call);
    case CallKind::io_bound: return "its call waits: on a processor for " + share + " of its time; more processors do not help";
    case CallKind::cpu_bound: return "its call computes: on a processor for " + share + " of its time";
    case CallKind::brief:
    case CallKind::mixed: break;
  }
  return "its call is on a processor for " + share + " of its time, and waits for the rest";
}

struct Lever {
  nanoseconds worth{};
  std::string text;
};

class Bench {
 public:
  Bench(const BenchFigures& figures, bool warm_up, const TextStyle& style) : figures_(figures), warm_up_(warm_up), style_(style) {}

  std::string text() {
    out_ = separator("what to save time on", '=', {Markup::bold}, style_);
    if (figures_.runs() == 0 || !figures_.median_run().measured()) {
      put_labelled(out_, "bench", "no run was measured");
      return std::move(out_);
    }
    put_head();
    put_levers();
    put_unstable();
    put_failed();
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::string name(std::string_view nodeid) const { return shown_nodeid(nodeid, style_); }

  void put_head() {
    const RunFigures& run = figures_.median_run();
    const Spread walls = spread_of(figures_.walls());
    put_labelled(out_, "bench", counted_text(figures_.runs(), "run") + (warm_up_ ? " behind one warm-up" : "") + " of " +
                                    counted_text(figures_.tests().size(), "test") + " on " + counted_text(run.workers(), "worker") + " and " +
                                    counted_text(run.processors(), "processor"));
    put_labelled(out_, "wall", seconds_text(walls.median) + " median, " + seconds_text(walls.least) + " to " + seconds_text(walls.most));
    const RunGroups groups = run.groups();
    const WallBound bound = wall_bound(groups.as_run, run.workers());
    put_labelled(out_, "best", seconds_text(bound.bound()) + ": less no plan of these " + counted_text(groups.groups.size(), "group") +
                                   " takes on " + counted_text(run.workers(), "worker"));
    put_phases();
    put_percentiles();
  }

  void put_phases() {
    nanoseconds setup{};
    nanoseconds call{};
    nanoseconds teardown{};
    for (const BenchTest& test : figures_.tests()) {
      const CallTimes times = test.median_times();
      setup = plus(setup, times.setup);
      call = plus(call, times.call);
      teardown = plus(teardown, times.teardown);
    }
    const nanoseconds all = plus(plus(setup, call), teardown);
    put_labelled(out_, "phases", "set-up " + percent_text(share_of(setup, all)) + ", call " + percent_text(share_of(call, all)) + ", teardown " +
                                     percent_text(share_of(teardown, all)) + " of " + seconds_text(all));
  }

  void put_percentiles() {
    std::vector<nanoseconds> medians;
    for (const BenchTest& test : figures_.tests()) medians.push_back(median_of(test.own));
    const Percentiles found = percentiles_of(std::move(medians));
    const std::vector<std::string> longest = figures_.slowest(1);
    put_labelled(out_, "tests", "p50 " + seconds_text(found.p50) + ", p90 " + seconds_text(found.p90) + ", p99 " + seconds_text(found.p99) +
                                    ", longest " + seconds_text(found.longest) + (longest.empty() ? "" : " " + name(longest.front())));
  }

  // ---------------------------------------------------------------- levers

  [[nodiscard]] Lever lever(const SetupCluster& cluster) const {
    Lever out{cluster.saving, {}};
    std::string fixture = cluster.fixture;
    if (!cluster.param.empty()) fixture += "[" + cluster.param + "]";
    std::string about = cluster.scope;
    if (!cluster.origin.empty()) about += ", " + name(cluster.origin);
    out.text = "shared set-up   fixture " + fixture + " (" + about + ")\n";
    out.text += std::string(k_indent) + "set up " + std::to_string(cluster.times) + " times in " + counted_text(cluster.workers, "worker") + " for " +
                counted_text(cluster.groups, "group") + ": " + seconds_text(cluster.cost) + ", once is " + seconds_text(cluster.longest) + " at most\n";
    out.text += std::string(k_indent) + remedy_text(cluster) + '\n';
    return out;
  }

  [[nodiscard]] Lever lever(const BenchTest& test) const {
    const CallTimes times = test.median_times();
    const CallKind kind = kind_of(times);
    Lever out{median_of(test.own), {}};
    std::string word(to_string(kind));
    word.resize(std::max<std::size_t>(word.size(), 16), ' ');
    out.text = word + name(test.nodeid) + '\n';
    const Spread spread = spread_of(test.own);
    out.text += std::string(k_indent) + "set-up " + seconds_text(times.setup) + ", call " + seconds_text(times.call) + ", teardown " +
                seconds_text(times.teardown) + "; " + seconds_text(spread.least) + " to " + seconds_text(spread.most) + " in " +
                counted_text(spread.samples, "run") + '\n';
    out.text += std::string(k_indent) + kind_text(kind, times) + '\n';
    for (const std::string& line : test.profile) out.text += std::string(k_indent) + "  " + line + '\n';
    return out;
  }

  [[nodiscard]] std::vector<Lever> levers() const {
    std::vector<Lever> out;
    const std::vector<FixtureSetup> setups = setups_of(figures_.median_run());
    for (const SetupCluster& cluster : setup_clusters(setups, k_least_lever)) out.push_back(lever(cluster));
    for (const BenchTest& test : figures_.tests()) {
      if (median_of(test.own) >= k_least_lever) out.push_back(lever(test));
    }
    std::stable_sort(out.begin(), out.end(), [](const Lever& a, const Lever& b) { return a.worth > b.worth; });
    return out;
  }

  void put_levers() {
    const std::vector<Lever> all = levers();
    if (all.empty()) {
      put_labelled(out_, "levers", "none: no fixture and no test is worth " + seconds_text(k_least_lever) + " or more");
      return;
    }
    out_ += "\nlevers, by the worker time that is in them\n";
    for (std::size_t i = 0; i < std::min(all.size(), k_most_levers); ++i) {
      out_ += aligned_right(std::to_string(i + 1), 3) + ". " + seconds_text(all[i].worth) + "  " + all[i].text;
    }
    if (all.size() > k_most_levers) out_ += std::string(k_indent) + "and " + std::to_string(all.size() - k_most_levers) + " more\n";
  }

  void put_unstable() {
    if (figures_.runs() < k_unstable_samples) {
      out_ += '\n';
      put_labelled(out_, "unstable", "not looked for: that takes three runs that count, --bench=4");
      return;
    }
    std::vector<std::vector<nanoseconds>> samples;
    for (const BenchTest& test : figures_.tests()) samples.push_back(test.own);
    const std::vector<UnstableTest> found = unstable_tests(samples);
    if (found.empty()) return;
    out_ += "\nunstable timing\n    median  deviation\n";
    for (std::size_t i = 0; i < std::min(found.size(), k_listed); ++i) {
      const Spread& spread = found[i].spread;
      out_ += seconds_cell(spread.median) + seconds_cell(spread.deviation(), 11) + "  " + name(figures_.tests()[found[i].test].nodeid) + " (" +
              percent_text(spread.relative()) + "; " + seconds_text(spread.least) + " to " + seconds_text(spread.most) + ")\n";
    }
    if (found.size() > k_listed) out_ += "and " + std::to_string(found.size() - k_listed) + " more\n";
  }

  void put_failed() {
    std::vector<const BenchTest*> failed;
    for (const BenchTest& test : figures_.tests()) {
      if (test.failed) failed.push_back(&test);
    }
    if (failed.empty()) return;
    out_ += "\nfailed in a run that counts (" + std::to_string(failed.size()) + ")\n";
    for (std::size_t i = 0; i < std::min(failed.size(), k_listed); ++i) out_ += "  " + name(failed[i]->nodeid) + '\n';
    if (failed.size() > k_listed) out_ += "  and " + std::to_string(failed.size() - k_listed) + " more\n";
  }

  const BenchFigures& figures_;
  bool warm_up_;
  const TextStyle& style_;
  std::string out_;
};

}  // namespace

std::string bench_text(const BenchFigures& figures, bool warm_up, const TextStyle& style) { return Bench(figures, warm_up, style).text(); }

}  // namespace pf::core
