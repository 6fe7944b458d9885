#include <pfctl/v1_bench.hpp>

#include <algorithm>
#include <utility>

#include <pfcore/bench_report.hpp>

namespace pf::ctl {
namespace {

constexpr std::int64_t k_most_runs = 1000;   // a client that wants more may come again

}  // namespace

V1Bench::V1Bench(std::int64_t runs) : runs_(std::clamp<std::int64_t>(runs, 1, k_most_runs)) {}

std::optional<V1Bench::Turn> V1Bench::next(core::RunFigures figures, bool complete) {
  if (profiled_) {
    figures_.add_profiles(figures);
    return std::nullopt;
  }
  const bool is_warm_up = ++done_ == 1 && runs_ > 1;
  if (!is_warm_up && figures.measured()) figures_.add_run(std::move(figures));
  if (!complete) return std::nullopt;
  if (done_ < runs_) return first();
  std::vector<std::string> slowest = figures_.slowest(core::k_profiled_tests);
  if (slowest.empty()) return std::nullopt;
  profiled_ = true;
  return Turn{"profile", std::move(slowest)};
}

std::string V1Bench::text() const { return figures_.runs() > 0 ? core::bench_text(figures_, runs_ > 1, {}) : std::string(); }

}  // namespace pf::ctl
