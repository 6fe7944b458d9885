#include <pfcore/ladder.hpp>

#include <algorithm>

namespace pf::core {
namespace {

constexpr std::size_t k_least_to_keep_ends = 8;   // with fewer there is no choice

}  // namespace

std::optional<std::size_t> rung_to_resume(std::span<const Rung> rungs, std::span<const std::uint32_t> input_marks,
                                          std::optional<std::size_t> first_changed) {
  if (rungs.empty()) return std::nullopt;
  if (!first_changed) return rungs.size() - 1;
  if (*first_changed >= input_marks.size()) return std::nullopt;
  const std::int64_t needed = input_marks[*first_changed];
  for (std::size_t i = rungs.size(); i-- > 0;) {
    if (rungs[i].mark <= needed) return i;
  }
  return std::nullopt;
}

std::optional<std::size_t> rung_to_drop(std::span<const Rung> rungs, std::size_t most) {
  if (rungs.size() <= most || rungs.size() < 2) return std::nullopt;
  std::optional<std::size_t> worst;
  double least = 0;
  const bool all_hot = std::all_of(rungs.begin(), rungs.end() - 1, [](const Rung& rung) { return rung.hot; });
  const bool keeps_ends = most >= k_least_to_keep_ends && !all_hot;
  for (std::size_t i = 0; i + 1 < rungs.size(); ++i) {
    if (rungs[i].hot && !all_hot) continue;
    if (keeps_ends && (i <= 1 || i + 2 == rungs.size())) continue;
    const double before = rungs[i].work_s - (i == 0 ? 0 : rungs[i - 1].work_s);
    const double after = rungs[i + 1].work_s - rungs[i].work_s;
    const double step = before + after;   // that is left without it
    const double loss = before * after * step * step * step;
    if (worst && loss >= least) continue;
    worst = i;
    least = loss;
  }
  return worst;
}

}  // namespace pf::core
