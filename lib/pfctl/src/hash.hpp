// Short names out of long keys. Private to pfctl; not for secrets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pf::ctl::hash {

// XXH3-64.
[[nodiscard]] std::uint64_t number64(std::string_view bytes);
// 16 hexadecimal digits of XXH3-64.
[[nodiscard]] std::string hex64(std::string_view text);

}  // namespace pf::ctl::hash
