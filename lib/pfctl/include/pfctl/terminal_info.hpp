// What a run is told about its client's terminal.
#pragma once

#include <pfcore/messages.hpp>

namespace pf::ctl {

// Of three descriptors that are the run's stdin, stdout and stderr. The size is stdout's terminal's, COLUMNS and LINES go before it;
// 80 by 24 when there is neither, and 80 columns for less than 40, as in pytest.
[[nodiscard]] core::TerminalInfo look_at_terminal(const core::Environment& env, int in, int out, int err);

}  // namespace pf::ctl
