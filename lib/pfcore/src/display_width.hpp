// How Python and pytest measure text: code points for len(), terminal columns for wcswidth().
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace pf::core {

// len() of the text.
[[nodiscard]] std::size_t code_points(std::string_view utf8) noexcept;
// The first `count` code points.
[[nodiscard]] std::string_view first_code_points(std::string_view utf8, std::size_t count) noexcept;
// Terminal columns; nullopt when a control character (an escape sequence, a tab) makes them unknowable.
[[nodiscard]] std::optional<std::size_t> display_columns(std::string_view utf8) noexcept;

}  // namespace pf::core
