#include "bench_run.hpp"

#include <array>
#include <cstdio>
#include <optional>
#include <utility>

#include <pfcore/bench_compare.hpp>
#include <pfcore/bench_report.hpp>

#include "bench_file.hpp"
#include "exit_codes.hpp"
#include "say.hpp"
#include "terminal.hpp"

namespace pf::cli {
namespace {

constexpr int k_runs = 2;              // with the warm-up
constexpr int k_runs_to_compare = 6;   // noise is known from several runs

int wanted_runs(const BenchOptions& options) noexcept {
  if (options.runs > 0) return options.runs;
  return options.save.empty() && options.compare.empty() ? k_runs : k_runs_to_compare;
}

void say_turn(int out, int turn, int turns, bool warm_up, const core::RunFigures& figures) {
  std::array<char, 128> text{};
  const std::size_t tests = figures.tests().size();
  std::snprintf(text.data(), text.size(), "run %d of %d: %zu %s, %.3f s wall%s\n", turn, turns, tests, tests == 1 ? "test" : "tests",
                core::to_seconds(figures.times().wall), warm_up ? " (warm-up, not counted)" : "");
  write_to(out, text.data());
}

core::Result<std::optional<core::BenchRecord>> load_previous(const BenchOptions& options) {
  if (options.compare.empty()) return std::optional<core::BenchRecord>();
  auto loaded = load_bench(options.compare.front());
  if (!loaded) return std::move(loaded).error();
  return std::optional<core::BenchRecord>(std::move(*loaded));
}

}  // namespace

bool wants_bench(const BenchOptions& options) noexcept { return options.runs > 0 || !options.save.empty() || !options.compare.empty(); }

std::string find_bench_conflict(const RunOptions& options, bool has_workers) {
  const BenchOptions& bench = options.bench;
  if (!wants_bench(bench)) return {};
  if (bench.compare.size() > 2) return "--bench-compare takes one file, or two that are compared with each other";
  if (bench.compare.size() == 2 && (bench.runs > 0 || !bench.save.empty())) return "two files are compared without a run: leave --bench and --bench-save out";
  if (options.runs != 1) return "--runs does not go with --bench: --bench=N says how often the suite is run";
  if (options.detailed) return "--detailed does not go with --bench, which measures more";
  if (options.reporter.value_or("native") != "native") return "--bench prints a report of its own: leave --reporter out";
  if (!has_workers) return "--bench measures workers: -n 1 instead of -n 0, and no debugger";
  return {};
}

int run_bench(const BenchOptions& options, const core::TextStyle& style, const std::string& python, int out, const RunTurn& run) {
  // Before the runs: whoever named a wrong file need not wait for them.
  const auto before = load_previous(options);
  if (!before) return refuse(k_exit_usage, before.error(), "--bench-compare takes a file of --bench-save");
  const int turns = wanted_runs(options);
  const bool has_warm_up = turns > 1;
  core::BenchFigures figures;
  int exit_code = 0;
  for (int turn = 1; turn <= turns; ++turn) {
    BenchTurnResult result = run({"fixtures", {}, "run " + std::to_string(turn) + " of " + std::to_string(turns)});
    exit_code = worse_of(exit_code, result.exit_code);
    if (result.ended || !result.figures.measured()) return exit_code;
    const bool is_warm_up = has_warm_up && turn == 1;
    say_turn(out, turn, turns, is_warm_up, result.figures);
    if (!is_warm_up) figures.add_run(std::move(result.figures));
  }
  if (std::vector<std::string> worst = figures.slowest(core::k_profiled_tests); !worst.empty()) {
    const BenchTurnResult result = run({"profile", std::move(worst), "profiles"});
    if (result.ended) return worse_of(exit_code, result.exit_code);
    figures.add_profiles(result.figures);
  }
  write_to(out, core::bench_text(figures, has_warm_up, style));

  core::BenchRecord record = core::record_of(figures);
  record.pfast = PF_VERSION;
  record.python = python;
  if (*before) write_to(out, core::comparison_text(**before, record, options.compare.front(), style));
  if (options.save.empty()) return exit_code;
  if (const auto saved = save_bench(options.save, record); !saved) {
    refuse(k_exit_internal, saved.error(), "the suite was measured, and the report stands above");
    return exit_code == 0 ? k_exit_internal : exit_code;
  }
  return exit_code;
}

int compare_files(const BenchOptions& options, const core::TextStyle& style, int out) {
  std::vector<core::BenchRecord> records;
  for (const std::string& path : options.compare) {
    auto loaded = load_bench(path);
    if (!loaded) return refuse(k_exit_usage, loaded.error(), "--bench-compare takes files of --bench-save");
    records.push_back(std::move(*loaded));
  }
  write_to(out, core::comparison_text(records.front(), records.back(), options.compare.front(), style));
  return 0;
}

}  // namespace pf::cli
