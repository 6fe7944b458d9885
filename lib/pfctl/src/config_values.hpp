// One setting's value before anyone knows whether it is good. Private to pfctl: config.cpp reads files,
// config_values.cpp checks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pfctl/config.hpp>

namespace pf::ctl {

struct RawValue {
  std::optional<std::int64_t> integer;
  std::optional<double> number;      // integers too
  std::optional<std::string> text;
  std::string shown;                 // as the user wrote it
};

// What an environment variable holds: text, and a number too when Python's int() or float() would take it.
[[nodiscard]] RawValue raw_from_text(std::string_view text);

// One key of [tool.pfast]: "workers", "start-method", …
struct SettingKey {
  std::string_view name;
  std::string_view variable;         // after PFAST_
  std::string_view expects;          // reads after "must be"
  bool (*assign)(Settings& settings, const RawValue& value);   // false: the value is none of those
};
[[nodiscard]] const std::vector<SettingKey>& setting_keys();

// Finite and > 0.
[[nodiscard]] bool is_positive_time(double seconds) noexcept;
inline constexpr std::int64_t k_max_workers = 4096;

}  // namespace pf::ctl
