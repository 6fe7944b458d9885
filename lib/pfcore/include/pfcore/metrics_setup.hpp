// Fixtures that are set up several times and could be set up once: what that costs and what could be saved.
// Pure; any thread. Durations that come in are made to fit as in metrics.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <pfcore/export.hpp>
#include <pfcore/metrics.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// One set-up of one fixture. Without records of fixtures, a test's set-up phase can stand for one: `fixture` empty, `origin`
// its file; what fixtures it is made of is then unknown, and the saving an upper bound.
struct FixtureSetup {
  std::string_view fixture;    // its name
  std::string_view origin;     // where it is defined: of two fixtures of one name, each is its own
  std::string_view scope;      // "function", "class", "module", "package", "session", or empty
  std::string_view param;      // each parameter has to be set up for itself; empty = none
  std::uint32_t worker = 0;
  std::uint32_t group = 0;     // of the test that asked for it (Selected.groups)
  std::chrono::nanoseconds took{};   // without the fixtures that it asks for
};

enum class SetupRemedy : std::uint8_t {
  widen_scope,         // a worker sets it up more than once: a wider scope, if the tests can share it
  keep_together,       // one group was spread over workers and each paid: --dist loadscope or loadfile
  before_the_workers,  // each worker pays it once: only set up before the workers are forked can it be paid once
};
// "widen-scope", "keep-together", "before-the-workers".
[[nodiscard]] std::string_view to_string(SetupRemedy remedy) noexcept;

// The set-ups of one fixture with one parameter.
struct SetupCluster {
  std::string fixture;
  std::string origin;
  std::string scope;
  std::string param;
  std::size_t times = 0;       // k set-ups,
  std::size_t workers = 0;     // in so many workers,
  std::size_t groups = 0;      // for so many groups
  std::chrono::nanoseconds cost{};      // of all of them: worker time, not wall time
  std::chrono::nanoseconds longest{};
  // cost - longest: what is left is one set-up, and nobody knows which. Worker time; the wall time gets shorter by saving /
  // workers at best. (The predecessor subtracts the mean of the whole set-up phases of a file.)
  std::chrono::nanoseconds saving{};
  SetupRemedy remedy = SetupRemedy::widen_scope;
};

// Less is not worth a line: the predecessor's bound.
inline constexpr std::chrono::nanoseconds k_least_setup_saving = std::chrono::milliseconds{500};

// The clusters of two and more set-ups that save at least `least`, the largest saving first, equal ones by fixture, origin,
// scope and parameter.
[[nodiscard]] std::vector<SetupCluster> setup_clusters(std::span<const FixtureSetup> setups,
                                                       std::chrono::nanoseconds least = k_least_setup_saving);

}  // namespace pf::core
PF_CORE_API_END
