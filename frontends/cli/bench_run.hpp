// `pfast run --bench`: the suite several times, then its slowest tests once under a profiler, and what that says.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <pfcore/run_figures.hpp>
#include <pfcore/text_report.hpp>

#include "options.hpp"

namespace pf::cli {

struct BenchTurn {
  std::string measure;               // RunOptions.measure
  std::vector<std::string> only;     // RunOptions.only
  std::string label;                 // for the live line
};
struct BenchTurnResult {
  int exit_code = 0;
  bool ended = false;                // the bench ends with it: interrupted, or no run came about
  core::RunFigures figures;
};
// One run of the bench; prints nothing but its live line.
using RunTurn = std::function<BenchTurnResult(const BenchTurn&)>;

[[nodiscard]] bool wants_bench(const BenchOptions& options) noexcept;
// What does not go together, in words; empty when everything does.
[[nodiscard]] std::string find_bench_conflict(const RunOptions& options, bool has_workers);

// Texts go to `out`. `python`: the suite's version. Returns the worst of the counted runs' exit codes, or pfast's own.
[[nodiscard]] int run_bench(const BenchOptions& options, const core::TextStyle& style, const std::string& python, int out, const RunTurn& run);
// Two saved files: nothing is run.
[[nodiscard]] int compare_files(const BenchOptions& options, const core::TextStyle& style, int out);

}  // namespace pf::cli
