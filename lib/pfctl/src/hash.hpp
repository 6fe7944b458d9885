// Short names out of long keys. Private to pfctl; not for secrets.
#pragma once

#include <string>
#include <string_view>

namespace pf::ctl::hash {

// 16 hexadecimal digits of XXH3-64.
[[nodiscard]] std::string hex64(std::string_view text);

}  // namespace pf::ctl::hash
