// Sums of durations that stay at the largest value where they would overflow.
#pragma once

#include <algorithm>
#include <chrono>
#include <limits>

#include <pfcore/metrics.hpp>

namespace pf::core {

// Of two that are not below zero.
[[nodiscard]] inline std::chrono::nanoseconds plus(std::chrono::nanoseconds a, std::chrono::nanoseconds b) noexcept {
  constexpr auto most = std::chrono::nanoseconds::max();
  return a > most - b ? most : a + b;
}

// Into 0 … k_longest_duration.
[[nodiscard]] inline std::chrono::nanoseconds fitted(std::chrono::nanoseconds duration) noexcept {
  return std::clamp(duration, std::chrono::nanoseconds::zero(), k_longest_duration);
}

}  // namespace pf::core
