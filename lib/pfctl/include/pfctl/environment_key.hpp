// Which environment variables a generation depends on. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pfcore/messages.hpp>

namespace pf::ctl {

// What an environment variable means for a generation that did not read it by name.
enum class EnvRule : std::uint8_t {
  always,     // read by the interpreter, the C library, pytest or native libraries before or beside os.environ
  whole,      // keys when the whole environment was read
  never,      // varies by terminal, shell or pfast itself: keys only when it was read by name
};
[[nodiscard]] EnvRule env_rule(std::string_view name) noexcept;

// The environments that a generation is good for: all that agree with its own in every variable that keys.
class EnvironmentKey {
 public:
  // Suits every environment.
  EnvironmentKey() = default;
  // `boot` is the whole environment that the generation was collected with: the client's, as it sent it. Of `ready` the
  // env_… members count. PYTEST_FAST_ENV_PREFIXES in `boot` names further prefixes that always key.
  EnvironmentKey(const core::Environment& boot, const core::BootReady& ready);
  // "environment: FOO changed", "… FOO was added", "… FOO was removed"; nullopt when the generation suits.
  [[nodiscard]] std::optional<std::string> change(const core::Environment& client) const;
  // Names of the variables that key and were set, sorted.
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  [[nodiscard]] bool keys(std::string_view name) const noexcept;

  bool any_ = true;
  bool whole_ = false;
  std::vector<std::string> read_by_name_;  // sorted
  std::vector<std::string> prefixes_;
  core::Environment values_;               // what keys, sorted by name, each name once
};

}  // namespace pf::ctl
