// Two benches of one suite: which tests take another time now, and which only seem to. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <pfcore/bench_figures.hpp>
#include <pfcore/export.hpp>
#include <pfcore/text_report.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// What is kept of a bench: --bench-save writes it, --bench-compare reads it.
struct BenchRecord {
  struct Test {
    std::string nodeid;
    std::vector<std::chrono::nanoseconds> own;   // per run that counts (BenchTest)
    std::vector<std::chrono::nanoseconds> cpu;
  };
  std::string pfast;                 // versions that measured
  std::string python;
  std::size_t workers = 0;
  std::size_t processors = 0;
  std::vector<std::chrono::nanoseconds> walls;
  std::vector<Test> tests;           // those that never failed, each once
};
[[nodiscard]] BenchRecord record_of(const BenchFigures& figures);

// A test's time is another one when all of these hold:
//   * there are k_compared_samples and more on both sides, and the test takes k_least_difference and more;
//   * the medians differ by k_least_change and by k_least_difference, after the machine's own change was allowed for: the median
//     over all tests of how their processor times changed, from k_machine_tests tests on;
//   * they differ by k_noise deviations: of the test's own samples on both sides, or, when that is more, of what other tests of
//     this suite deviate by and of what the differences of all tests deviate by;
//   * no sample of one side lies among those of the other.
// Of five samples a side with nothing changed, the last alone is true of one test in 126 by chance.
inline constexpr std::size_t k_compared_samples = 3;
inline constexpr double k_least_change = 0.10;
inline constexpr std::chrono::nanoseconds k_least_difference = std::chrono::milliseconds{10};
inline constexpr double k_noise = 3;
inline constexpr std::size_t k_machine_tests = 8;

struct BenchChange {
  std::string nodeid;
  std::chrono::nanoseconds before{};   // medians; the machine's change is in it
  std::chrono::nanoseconds now{};
  std::chrono::nanoseconds noise{};    // the deviation that the difference was compared with

  [[nodiscard]] double relative() const noexcept;   // 0.2: a fifth more
};

struct BenchComparison {
  std::vector<BenchChange> slower;     // the largest difference first
  std::vector<BenchChange> faster;
  std::size_t compared = 0;
  std::size_t brief = 0;               // take less than k_least_difference on both sides: not compared
  std::size_t too_few = 0;             // samples
  std::size_t added = 0;               // tests that there are now only,
  std::size_t gone = 0;                // and before only
  double machine = 1;                  // processor time now for the same work; 1 as well when it is not known
  // Of the tests that were compared the middle one: a change of less than this is not told from noise.
  double told_from = 0;
};
[[nodiscard]] BenchComparison compare_benches(const BenchRecord& before, const BenchRecord& now);

// Starts at the beginning of a line and ends with a line break. `name`: where `before` is from.
[[nodiscard]] std::string comparison_text(const BenchRecord& before, const BenchRecord& now, const std::string& name, const TextStyle& style);

}  // namespace pf::core
PF_CORE_API_END
