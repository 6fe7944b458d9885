// The process environment as a value, so that everything below takes an environment instead of reading the global one.
#pragma once

#include <optional>
#include <string_view>

#include <pfcore/messages.hpp>

namespace pf::ctl {

// A copy of environ, in its order. Entries without '=' are left out. Not safe while another thread calls setenv.
[[nodiscard]] core::Environment current_environment();

// The value of the first entry of that name, as getenv finds it. The view borrows from `env`.
[[nodiscard]] std::optional<std::string_view> find_env(const core::Environment& env, std::string_view name) noexcept;

// As find_env, but an empty value counts as not set.
[[nodiscard]] std::optional<std::string_view> find_env_text(const core::Environment& env, std::string_view name) noexcept;

}  // namespace pf::ctl
