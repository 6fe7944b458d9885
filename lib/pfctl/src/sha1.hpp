// SHA-1 as FIPS 180-4 has it. For the predecessor's fingerprint alone: nothing here rests on its strength. Private to pfctl.
#pragma once

#include <string>
#include <string_view>

namespace pf::ctl {

// 40 hexadecimal digits, small letters.
[[nodiscard]] std::string sha1_hex(std::string_view data);

}  // namespace pf::ctl
