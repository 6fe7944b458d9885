#include <pfcore/detailed_report.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include "metrics_sums.hpp"
#include "report_lines.hpp"
#include "text_markup.hpp"

namespace pf::core {
namespace {

using std::chrono::nanoseconds;

constexpr std::size_t k_listed = 10;
constexpr nanoseconds k_least_listed = std::chrono::milliseconds{5};
constexpr nanoseconds k_slow = std::chrono::seconds{1};

std::string_view file_of(std::string_view nodeid) noexcept { return nodeid.substr(0, nodeid.find("::")); }

// What of busy was which phase's; the rest is what pytest and its plugins do between the phases.
struct PhaseSums {
  nanoseconds setup{};
  nanoseconds call{};
  nanoseconds teardown{};
  nanoseconds setup_cpu{};
  nanoseconds call_cpu{};
  nanoseconds cpu{};
};

PhaseSums phase_sums(const std::vector<TestFigures>& tests) {
  PhaseSums sums;
  for (const TestFigures& test : tests) {
    sums.setup = plus(sums.setup, test.times.setup);
    sums.call = plus(sums.call, test.times.call);
    sums.teardown = plus(sums.teardown, test.times.teardown);
    sums.setup_cpu = plus(sums.setup_cpu, test.setup_cpu);
    sums.call_cpu = plus(sums.call_cpu, test.times.call_cpu);
    sums.cpu = plus(sums.cpu, test.cpu);
  }
  return sums;
}

class Detailed {
 public:
  Detailed(const RunFigures& figures, const DetailedStyle& style)
      : figures_(figures), style_(style), times_(figures.times()), groups_(figures.groups()), sums_(phase_sums(figures.tests())) {}

  std::string text() {
    out_ = separator("where the time went", '=', {Markup::bold}, style_.text);
    put_head();
    if (times_.sum.busy > nanoseconds::zero()) {
      put_account();
      put_workers();
    }
    put_failures();
    put_tests();
    put_files();
    put_phases();
    put_xpassed();
    put_verdict();
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::string name(std::string_view nodeid) const { return shown_nodeid(nodeid, style_.text); }

  // What a group is called: its file when there are several tests in it.
  [[nodiscard]] std::string group_name(std::size_t index) const {
    if (index >= groups_.groups.size()) return {};
    const RunGroup& group = groups_.groups[index];
    const auto& tests = figures_.tests();
    const auto found = std::find_if(tests.begin(), tests.end(), [&](const TestFigures& test) { return test.item == group.first_item; });
    if (found == tests.end()) return {};
    if (group.items == 1) return name(found->nodeid);
    return counted_text(group.items, "test") + " of " + name(file_of(found->nodeid));
  }

  void put_head() {
    const FinishedEvent& finished = figures_.finished();
    std::string results = std::to_string(figures_.tests().size()) + " of " + std::to_string(std::max<std::int64_t>(finished.total, 0));
    std::string_view between = ": ";
    for (const auto& [outcome, count] : figures_.outcomes()) {
      results += std::string(between) + std::to_string(count) + ' ' + outcome;
      between = ", ";
    }
    put_labelled(out_, "results", results);
    std::string warm_up = "waited " + format_number("%.1f ms", finished.wait_ms);
    if (finished.boot_ms > 0) warm_up += ", collected for this run " + format_number("%.1f ms", finished.boot_ms);
    else warm_up += ", was collected already";
    put_labelled(out_, "warm-up", warm_up + ", selected " + format_number("%.1f ms", finished.select_ms));
    const double wall_ms = to_seconds(times_.wall) * 1000;
    put_labelled(out_, "run", seconds_text(times_.wall) + " wall on " + counted_text(figures_.workers(), "worker") + " and " +
                                  counted_text(figures_.processors(), "processor") + "; the session's end took " +
                                  format_number("%.1f ms", std::max(finished.run_ms - wall_ms, 0.0)) + " more");
  }

  void put_account() {
    const WorkerTimes& sum = times_.sum;
    const nanoseconds phases = plus(plus(sums_.setup, sums_.call), sums_.teardown);
    put_labelled(out_, "account", seconds_text(sum.total()) + " = " + seconds_text(sum.busy) + " busy + " + seconds_text(sum.bus_wait) +
                                      " bus wait + " + seconds_text(sum.start) + " start + " + seconds_text(sum.tail) + " tail");
    put_labelled(out_, "busy", seconds_text(sum.busy) + " = " + seconds_text(sums_.setup) + " set-up + " + seconds_text(sums_.call) +
                                   " call + " + seconds_text(sums_.teardown) + " teardown + " +
                                   seconds_text(sum.busy - std::min(phases, sum.busy)) + " pytest's own");
    put_labelled(out_, "processors", seconds_text(sum.cpu) + " on them: " + seconds_text(sums_.setup_cpu) + " set-up, " +
                                         seconds_text(sums_.call_cpu) + " call; " + seconds_text(sum.queued) + " waiting for one");
    put_labelled(out_, "parallelism", format_number("%.2f", parallelism(times_)) + " of " + counted_text(times_.workers.size(), "worker") +
                                          " busy, " + format_number("%.2f", cpu_parallelism(times_)) + " on a processor; efficiency " +
                                          format_number("%.1f %%", share_of(sum.busy, sum.total()) * 100));
    const WallBound bound = wall_bound(groups_.as_run, times_.workers.size());
    put_labelled(out_, "best", seconds_text(bound.bound()) + ": less no plan of these " + counted_text(groups_.groups.size(), "group") +
                                   " takes on " + counted_text(times_.workers.size(), "worker") + "; the longest is " +
                                   seconds_text(bound.longest_group) + ", " + group_name(bound.longest_index));
    put_labelled(out_, "bus", counted_text(static_cast<std::size_t>(std::max<std::int64_t>(figures_.measured()->frames, 0)), "message") +
                                  " from the workers, " + format_number("%.1f KiB", static_cast<double>(figures_.measured()->bytes) / 1024));
    put_percentiles();
    if (share_of(times_.cut_off, sum.total()) > 0.01) {
      put_labelled(out_, "doubtful", seconds_text(times_.cut_off) + " were measured twice or after the run's end, and are in no figure");
    }
  }

  void put_percentiles() {
    std::vector<nanoseconds> all;
    for (const TestFigures& test : figures_.tests()) all.push_back(test.phases());
    const auto slow = static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](nanoseconds one) { return one >= k_slow; }));
    const Percentiles found = percentiles_of(std::move(all));
    put_labelled(out_, "tests", "p50 " + seconds_text(found.p50) + ", p90 " + seconds_text(found.p90) + ", p99 " + seconds_text(found.p99) +
                                    ", longest " + seconds_text(found.longest) + "; " + std::to_string(slow) + " took 1 s or more");
  }

  void put_workers() {
    out_ += "\nworker       wall =   busy + bus wait +   start +    tail        cpu   queued   tests\n";
    for (std::size_t i = 0; i < times_.workers.size(); ++i) put_worker("gw" + std::to_string(i), times_.workers[i]);
    if (times_.workers.size() > 1) put_worker("all", times_.sum);
  }

  void put_worker(std::string label, const WorkerTimes& worker) {
    label.resize(std::max<std::size_t>(label.size(), 7), ' ');
    out_ += label + seconds_cell(worker.total()) + seconds_cell(worker.busy, 9) + seconds_cell(worker.bus_wait, 11) +
            seconds_cell(worker.start) + seconds_cell(worker.tail) + seconds_cell(worker.cpu, 11) + seconds_cell(worker.queued, 9) +
            aligned_right(std::to_string(worker.ran), 8) + '\n';
  }

  void put_failures() {
    if (!style_.failures || figures_.failures().empty()) return;
    const TextReport texts(style_.text);
    out_ += separator("FAILURES (" + std::to_string(figures_.failures().size()) + ")", '=', {}, style_.text);
    std::vector<const ItemResult*> ordered;
    for (const ItemResult& result : figures_.failures()) ordered.push_back(&result);
    std::stable_sort(ordered.begin(), ordered.end(), [](const auto* a, const auto* b) { return a->item < b->item; });
    for (const ItemResult* result : ordered) {
      out_ += texts.failure_text(*result);
      out_ += marked(result->outcome == "error" ? "ERROR" : "FAILED", {Markup::red}, style_.text) + ' ' + name(result->nodeid) + '\n';
    }
  }

  void put_tests() {
    std::vector<const TestFigures*> slowest;
    for (const TestFigures& test : figures_.tests()) {
      if (test.phases() >= k_least_listed) slowest.push_back(&test);
    }
    std::sort(slowest.begin(), slowest.end(), [](const auto* a, const auto* b) {
      return a->phases() != b->phases() ? a->phases() > b->phases() : a->item < b->item;
    });
    if (slowest.empty()) return;
    if (slowest.size() > k_listed) slowest.resize(k_listed);
    out_ += "\nslowest tests\n       all =  set-up +    call + teardown     cpu\n";
    for (const TestFigures* test : slowest) {
      out_ += seconds_cell(test->phases()) + seconds_cell(test->times.setup) + seconds_cell(test->times.call) +
              seconds_cell(test->times.teardown) + seconds_cell(test->cpu) + "  " + name(test->nodeid) + '\n';
    }
  }

  void put_files() {
    struct File {
      nanoseconds took{};
      std::size_t tests = 0;
    };
    std::map<std::string_view, File> files;
    for (const TestFigures& test : figures_.tests()) {
      File& file = files[file_of(test.nodeid)];
      file.took = plus(file.took, test.phases());
      ++file.tests;
    }
    std::vector<std::pair<std::string_view, File>> slowest;
    std::copy_if(files.begin(), files.end(), std::back_inserter(slowest), [](const auto& file) { return file.second.took >= k_least_listed; });
    std::stable_sort(slowest.begin(), slowest.end(), [](const auto& a, const auto& b) { return a.second.took > b.second.took; });
    if (slowest.empty()) return;
    if (slowest.size() > k_listed) slowest.resize(k_listed);
    out_ += "\nslowest files\n";
    for (const auto& [path, file] : slowest) {
      out_ += seconds_cell(file.took) + "  " + aligned_right(counted_text(file.tests, "test"), 10) + "  " + name(path) + '\n';
    }
  }

  void put_phases() {
    struct Phase {
      nanoseconds took;
      std::string_view when;
      const TestFigures* test;
    };
    std::vector<Phase> slowest;
    for (const TestFigures& test : figures_.tests()) {
      for (const auto& [took, when] : {std::pair(test.times.setup, "setup"), std::pair(test.times.call, "call"), std::pair(test.times.teardown, "teardown")}) {
        if (took >= k_least_listed) slowest.push_back({took, when, &test});
      }
    }
    std::stable_sort(slowest.begin(), slowest.end(), [](const Phase& a, const Phase& b) {
      return a.took != b.took ? a.took > b.took : a.test->item < b.test->item;
    });
    if (slowest.empty()) return;
    if (slowest.size() > k_listed) slowest.resize(k_listed);
    out_ += "\nslowest durations\n";
    for (const Phase& phase : slowest) {
      std::string when(phase.when);
      when.resize(8, ' ');
      out_ += seconds_cell(phase.took) + "  " + when + "  " + name(phase.test->nodeid) + '\n';
    }
  }

  void put_xpassed() {
    std::vector<const TestFigures*> passed;
    for (const TestFigures& test : figures_.tests()) {
      if (test.outcome == "xpassed") passed.push_back(&test);
    }
    if (passed.empty()) return;
    std::sort(passed.begin(), passed.end(), [](const auto* a, const auto* b) { return a->item < b->item; });
    out_ += "\nXPASS (" + std::to_string(passed.size()) + "): these pass now, and their xfail marks are stale\n";
    for (const TestFigures* test : passed) out_ += "  " + name(test->nodeid) + '\n';
  }

  void put_verdict() {
    VerdictInput input;
    input.times = times_;
    input.bound = wall_bound(groups_.as_run, times_.workers.size());
    input.setup = plus(sums_.setup, sums_.teardown);
    input.items = figures_.tests().size();
    input.processors = figures_.processors();
    const Assessment found = assess(input);
    out_ += '\n';
    const bool good = found.verdict == RunVerdict::balanced;
    std::string line = verdict_line(found, input, group_name(input.bound.longest_index));
    const std::size_t word = to_string(found.verdict).size();
    line.replace(0, word, marked(line.substr(0, word), {good ? Markup::green : Markup::yellow, Markup::bold}, style_.text));
    put_labelled(out_, "verdict", line);
    if (found.queued_share >= k_queued_share && found.verdict != RunVerdict::oversubscribed) {
      put_labelled(out_, "mind", "the machine did other things, too: tests waited for a processor for " + percent_text(found.queued_share) + " of their time");
    }
    if (found.verdict == RunVerdict::nothing_ran) return;
    const AdviceInput asked = figures_.advice_input(groups_, times_);
    const WorkerAdvice advice = advise_workers(asked);
    put_labelled(out_, "advice", advice_line(advice, asked, group_name(advice.longest_index)));
  }

  const RunFigures& figures_;
  const DetailedStyle& style_;
  RunTimes times_;
  RunGroups groups_;
  PhaseSums sums_;
  std::string out_;
};

}  // namespace

std::string verdict_line(const Assessment& found, const VerdictInput& input, const std::string& longest_name) {
  std::string line(to_string(found.verdict));
  const std::string workers = counted_text(input.times.workers.size(), "worker");
  switch (found.verdict) {
    case RunVerdict::nothing_ran: break;
    case RunVerdict::balanced: line += ": workers were in a test for " + percent_text(share_of(input.times.sum.busy, input.times.sum.total())) + " of the time"; break;
    case RunVerdict::too_few_tests:
      line += ": starting and feeding " + workers + " took " + percent_text(found.feeding_share) + " of their time, for " + counted_text(input.items, "test");
      break;
    case RunVerdict::long_tail:
      line += ": for " + percent_text(found.tail_share) + " of their time workers had nothing left to do while others went on";
      if (input.bound.by_longest_group()) line += "; the longest group is more than a worker's share: " + longest_name + ", " + seconds_text(input.bound.longest_group);
      break;
    case RunVerdict::setup_bound: line += ": set-up and teardown are " + percent_text(found.setup_share) + " of what the tests take"; break;
    case RunVerdict::waiting: line += ": for " + percent_text(found.waiting_share) + " of their time tests were not on a processor and did not want one"; break;
    case RunVerdict::oversubscribed:
      line += ": " + workers + " on " + counted_text(input.processors, "processor") + ", and tests waited for one for " + percent_text(found.queued_share) + " of their time";
      break;
  }
  return line;
}

std::string advice_line(const WorkerAdvice& advice, const AdviceInput& input, const std::string& longest_name) {
  if (advice.reason == AdviceReason::nothing_to_run) return "none: nothing took any time";
  std::string line = "-n " + std::to_string(advice.workers);
  if (advice.workers == input.workers) line += ", as now";
  else line += " instead of -n " + std::to_string(input.workers);
  line += ": " + seconds_text(advice.wall) + " expected";
  if (advice.workers != input.workers) line += ", and " + seconds_text(advice.now) + " with -n " + std::to_string(input.workers);
  switch (advice.reason) {
    case AdviceReason::nothing_to_run: break;
    case AdviceReason::few_groups: line += "; more would not help: each of the " + counted_text(input.groups.size(), "group") + " has a worker of its own"; break;
    case AdviceReason::longest_group: line += "; more would not help: one group takes " + seconds_text(advice.longest_group) + ", " + longest_name; break;
    case AdviceReason::processors:
      line += "; more would not help: the tests keep " + counted_text(input.processors, "processor") + " occupied (" + percent_text(std::min(advice.cpu_share, 1.0)) + " of their time)";
      break;
    case AdviceReason::start_cost:
      if (to_seconds(input.start) < k_advice_slack * to_seconds(advice.wall)) line += "; one more would not help: the last round is no shorter";
      else line += "; more would not help: each worker begins with " + seconds_text(input.start) + " of its own start and set-up";
      break;
    case AdviceReason::most_workers:
      line += "; more may help: the tests wait for " + percent_text(1 - std::min(advice.cpu_share, 1.0)) + " of their time, unless they wait for each other";
      break;
  }
  return line;
}

std::string detailed_text(const RunFigures& figures, const DetailedStyle& style) {
  if (!figures.measured()) return {};
  return Detailed(figures, style).text();
}

}  // namespace pf::core
