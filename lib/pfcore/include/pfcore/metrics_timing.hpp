// What the times of single tests say: their spread over repeated runs, which are unstable, and what a call's time is spent on.
// Pure; any thread. Durations that come in are made to fit as in metrics.hpp; no result is NaN or infinite.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <pfcore/export.hpp>
#include <pfcore/metrics.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// wall - queued, at least 0: what a test would have taken with a processor free for it at any time. On a machine that does
// other things, too, wall times of one test differ by factors and own times by a few per cent, and of a test that sleeps it
// is still the time that it sleeps. Without `queued` it is the wall time. (Linux: the second number of
// /proc/thread-self/schedstat is the time that a thread was ready to run and had no processor; to read it takes 1 us.)
[[nodiscard]] std::chrono::nanoseconds own_time(std::chrono::nanoseconds wall, std::chrono::nanoseconds queued) noexcept;

// ---------------------------------------------------------------- spread

// The middle value; of an even number, what lies midway between the middle two, rounded down. None: 0.
[[nodiscard]] std::chrono::nanoseconds median_of(std::vector<std::chrono::nanoseconds> samples);

// Median and MAD, the median distance from it. Up to half of the samples can be anything without moving either far; a mean and
// a standard deviation (the predecessor's) are moved by the one run in which the machine did something else.
struct Spread {
  std::size_t samples = 0;
  std::chrono::nanoseconds median{};
  std::chrono::nanoseconds mad{};
  std::chrono::nanoseconds least{};
  std::chrono::nanoseconds most{};

  // 1.4826 * mad: what a standard deviation is, were the samples normally distributed (Rousseeuw and Croux, "Alternatives to
  // the Median Absolute Deviation", 1993).
  [[nodiscard]] std::chrono::nanoseconds deviation() const noexcept;
  // deviation / median; 0 when the median is.
  [[nodiscard]] double relative() const noexcept { return share_of(deviation(), median); }
};
[[nodiscard]] Spread spread_of(std::span<const std::chrono::nanoseconds> samples);

// ---------------------------------------------------------------- unstable timing

// From three samples on: of two the median is midway, and a hiccup is half of the evidence.
inline constexpr std::size_t k_unstable_samples = 3;
// A fifth: that is the least change that a comparison of two benches is asked to find, and it cannot find one in a test that
// changes as much by itself.
inline constexpr double k_unstable_share = 0.20;
// And more than a few of the scheduler's slices (3 to 4 ms each), which any short test can lose to its neighbours.
inline constexpr std::chrono::nanoseconds k_unstable_least = std::chrono::milliseconds{10};

// At least k_unstable_samples, relative() >= k_unstable_share and deviation() >= k_unstable_least.
[[nodiscard]] bool is_unstable(const Spread& spread) noexcept;

struct UnstableTest {
  std::size_t test = 0;        // index into the samples
  Spread spread;
};
// samples[test]: the test's own time in each run that was measured, the warm-up left out. The largest deviation first, equal
// ones in the tests' order.
[[nodiscard]] std::vector<UnstableTest> unstable_tests(std::span<const std::vector<std::chrono::nanoseconds>> samples);

// ---------------------------------------------------------------- kinds of calls

// One test's phases. A fixture that several tests share is in the set-up of the first and the teardown of the last.
struct CallTimes {
  std::chrono::nanoseconds setup{};
  std::chrono::nanoseconds call{};
  std::chrono::nanoseconds teardown{};
  std::chrono::nanoseconds call_cpu{};      // processor time of the call, of all threads
  std::chrono::nanoseconds call_queued{};   // of the call: ready to run, and no processor free; 0 = not known
};

enum class CallKind : std::uint8_t {
  brief,         // less than k_brief together: shares of so little say nothing
  setup_heavy,   // set-up and teardown take longer than the call, and at least k_heavy_setup
  io_bound,      // the call is on a processor for less than k_io_share of its time: it waits
  cpu_bound,     // for more than k_cpu_share
  mixed,
};
// "brief", "setup-heavy", "I/O-bound", "CPU-bound", "mixed": the predecessor's words in small letters.
[[nodiscard]] std::string_view to_string(CallKind kind) noexcept;

inline constexpr std::chrono::nanoseconds k_brief = std::chrono::milliseconds{20};
inline constexpr std::chrono::nanoseconds k_heavy_setup = std::chrono::milliseconds{50};   // the predecessor's
inline constexpr double k_io_share = 0.20;    // the predecessor's
inline constexpr double k_cpu_share = 0.80;   // the predecessor's

// call_cpu / (call - call_queued), 0 to 1: waiting for a processor is no input or output. Of the call alone: the predecessor
// divides by the whole test, whose set-up may wait for something else. 0 when the call has no time.
[[nodiscard]] double cpu_share(const CallTimes& times) noexcept;

// The first kind in the order above that fits.
[[nodiscard]] CallKind kind_of(const CallTimes& times) noexcept;

}  // namespace pf::core
PF_CORE_API_END
