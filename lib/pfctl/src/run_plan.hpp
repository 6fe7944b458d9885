// A run's plan, from what its controller selected.
#pragma once

#include <pfcore/messages.hpp>
#include <pfcore/plan.hpp>

#include <cstddef>
#include <string_view>

namespace pf::ctl {

// Numbers in `selected` that name no item or no resource are passed over.
[[nodiscard]] core::Plan plan_run(const core::Selected& selected, std::string_view dist, std::size_t workers);

}  // namespace pf::ctl
