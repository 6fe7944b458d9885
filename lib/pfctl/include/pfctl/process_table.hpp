// Whose children are left: what a subreaper has to look at.
#pragma once

#include <cstdint>
#include <vector>

namespace pf::ctl {

// The children of this process, zombies included, whichever thread they belong to.
[[nodiscard]] std::vector<std::int64_t> children_of_self();

}  // namespace pf::ctl
