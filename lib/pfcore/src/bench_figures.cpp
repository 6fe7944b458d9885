#include <pfcore/bench_figures.hpp>

#include <algorithm>
#include <numeric>
#include <utility>

namespace pf::core {
namespace {

using std::chrono::nanoseconds;

nanoseconds median_part(const std::vector<CallTimes>& times, nanoseconds CallTimes::* part) {
  std::vector<nanoseconds> values;
  values.reserve(times.size());
  for (const CallTimes& one : times) values.push_back(one.*part);
  return median_of(std::move(values));
}

}  // namespace

CallTimes BenchTest::median_times() const {
  CallTimes out;
  for (nanoseconds CallTimes::* const part :
       {&CallTimes::setup, &CallTimes::call, &CallTimes::teardown, &CallTimes::call_cpu, &CallTimes::call_queued}) {
    out.*part = median_part(times, part);
  }
  return out;
}

BenchTest& BenchFigures::test_of(const std::string& nodeid) {
  const auto [place, is_new] = places_.emplace(nodeid, tests_.size());
  if (is_new) tests_.emplace_back().nodeid = nodeid;
  return tests_[place->second];
}

void BenchFigures::add_run(RunFigures run) {
  for (const TestFigures& measured : run.tests()) {
    BenchTest& test = test_of(measured.nodeid);
    test.failed = test.failed || measured.outcome == "failed" || measured.outcome == "error";
    test.own.push_back(measured.own());
    test.cpu.push_back(measured.cpu);
    test.times.push_back(measured.times);
  }
  runs_.push_back(std::move(run));
}

void BenchFigures::add_profiles(const RunFigures& run) {
  for (const TestFigures& measured : run.tests()) {
    if (const auto place = places_.find(measured.nodeid); place != places_.end()) tests_[place->second].profile = measured.profile;
  }
}

std::vector<nanoseconds> BenchFigures::walls() const {
  std::vector<nanoseconds> out;
  for (const RunFigures& run : runs_) out.push_back(run.times().wall);
  return out;
}

const RunFigures& BenchFigures::median_run() const {
  const std::vector<nanoseconds> all = walls();
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return all[a] < all[b]; });
  return runs_[order[(order.size() - 1) / 2]];
}

std::vector<std::string> BenchFigures::slowest(std::size_t most) const {
  std::vector<std::pair<nanoseconds, std::size_t>> order;
  for (std::size_t i = 0; i < tests_.size(); ++i) order.emplace_back(median_of(tests_[i].own), i);
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> out;
  for (std::size_t i = 0; i < std::min(most, order.size()); ++i) out.push_back(tests_[order[i].second].nodeid);
  return out;
}

}  // namespace pf::core
