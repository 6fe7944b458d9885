// Strings in the one-line notes that pfctl itself writes. Not a JSON library: it reads back what it wrote. Private.
//
// Paths are bytes. What is no UTF-8 becomes \udc80 … \udcff, as os.fsdecode has it, so that Python reads the same path.
#pragma once

#include <string>
#include <string_view>

namespace pf::ctl::json {

[[nodiscard]] std::string quoted(std::string_view bytes);
// The value of a string field in a note; empty when there is none.
[[nodiscard]] std::string text_field(std::string_view note, std::string_view key);

}  // namespace pf::ctl::json
