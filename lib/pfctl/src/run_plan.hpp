// A run's plan, from what its controller selected.
#pragma once

#include <pfcore/messages.hpp>
#include <pfcore/plan.hpp>

#include <cstddef>
#include <string>
#include <string_view>

#include <pfctl/history.hpp>

namespace pf::ctl {

// Numbers in `selected` that name no item or no resource are passed over. history: null when there is none.
[[nodiscard]] core::Plan plan_run(const core::Selected& selected, std::string_view dist, std::size_t workers, const History* history);

// The file of the suite's history; empty = none is kept.
[[nodiscard]] std::string history_path(const core::Selected& selected);

}  // namespace pf::ctl
