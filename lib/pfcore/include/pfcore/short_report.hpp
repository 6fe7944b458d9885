// The short form of one of pytest's serialised reports, as a result's `opaque` carries it (PROTOCOL.md, "Result"): of an item's
// first report the whole dict is sent, of a later one that differs from it in four fields only a tuple of these four.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include <pfcore/export.hpp>
#include <pfcore/value.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// pytest's names of the fields (TestReport), in the order of the tuple.
inline constexpr std::array<std::string_view, 4> k_short_report_fields{"when", "duration", "start", "stop"};

[[nodiscard]] inline bool is_short_report(const Value& report) noexcept {
  return report.kind() == Kind::tuple && report.items().size() == k_short_report_fields.size();
}

// The place in the short form of what a field of the first report is replaced by; nullopt: it is the same in both.
[[nodiscard]] inline std::optional<std::size_t> short_report_place(std::string_view field) noexcept {
  const auto* const found = std::find(k_short_report_fields.begin(), k_short_report_fields.end(), field);
  if (found == k_short_report_fields.end()) return std::nullopt;
  return static_cast<std::size_t>(found - k_short_report_fields.begin());
}

}  // namespace pf::core
PF_CORE_API_END
