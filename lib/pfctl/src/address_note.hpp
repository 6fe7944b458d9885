// Private to pfctl.
#pragma once

#include <string>

#include <pfctl/runtime_dir.hpp>

namespace pf::ctl {

// The address of that stem in a runtime directory.
[[nodiscard]] Address private_address(core::UniqueFd dir, const std::string& dir_path, const std::string& stem);

}  // namespace pf::ctl
