// Several measured runs of one suite, test by test: what --bench reports, saves and compares. Pure; not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include <pfcore/export.hpp>
#include <pfcore/metrics_timing.hpp>
#include <pfcore/run_figures.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// One test over all runs that count.
struct BenchTest {
  std::string nodeid;
  bool failed = false;                          // in any of them
  std::vector<std::chrono::nanoseconds> own;    // per run: its protocol without what it queued for a processor
  std::vector<std::chrono::nanoseconds> cpu;    // per run, of all threads
  std::vector<CallTimes> times;                 // per run
  std::vector<std::string> profile;             // of the run that profiled

  // The medians, each part by itself.
  [[nodiscard]] CallTimes median_times() const;
};

class BenchFigures {
 public:
  // In the order of the runs; the warm-up is not added.
  void add_run(RunFigures run);
  // The run of some tests that profiled. Its times are in no figure.
  void add_profiles(const RunFigures& run);

  [[nodiscard]] std::size_t runs() const noexcept { return runs_.size(); }
  [[nodiscard]] const std::vector<BenchTest>& tests() const noexcept { return tests_; }   // in the order of their first ends
  [[nodiscard]] std::vector<std::chrono::nanoseconds> walls() const;
  // The run whose wall time is the median (of an even number: the shorter one). There must be a run.
  [[nodiscard]] const RunFigures& median_run() const;
  // The tests with the longest median own times, the longest first.
  [[nodiscard]] std::vector<std::string> slowest(std::size_t most) const;

 private:
  [[nodiscard]] BenchTest& test_of(const std::string& nodeid);

  std::vector<RunFigures> runs_;
  std::vector<BenchTest> tests_;
  std::unordered_map<std::string, std::size_t> places_;
};

}  // namespace pf::core
PF_CORE_API_END
