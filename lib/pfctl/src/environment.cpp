#include <pfctl/environment.hpp>

#include <unistd.h>

namespace pf::ctl {

core::Environment current_environment() {
  core::Environment env;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) env.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return env;
}

std::optional<std::string_view> find_env(const core::Environment& env, std::string_view name) noexcept {
  for (const auto& [key, value] : env) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::optional<std::string_view> find_env_text(const core::Environment& env, std::string_view name) noexcept {
  const auto value = find_env(env, name);
  return value && !value->empty() ? value : std::nullopt;
}

}  // namespace pf::ctl
