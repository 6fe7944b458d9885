// The text of --bench: what to change so that the suite takes less time, by what that would save. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include <pfcore/bench_figures.hpp>
#include <pfcore/export.hpp>
#include <pfcore/text_report.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// The predecessor's bounds: so many tests are profiled, so many levers are told, and none that is worth less.
inline constexpr std::size_t k_profiled_tests = 12;
inline constexpr std::size_t k_most_levers = 12;
inline constexpr std::chrono::nanoseconds k_least_lever = std::chrono::milliseconds{500};

// Starts at the beginning of a line and ends with a line break. `warm_up`: one run more was done and is in no figure.
[[nodiscard]] std::string bench_text(const BenchFigures& figures, bool warm_up, const TextStyle& style);

}  // namespace pf::core
PF_CORE_API_END
