// What `pfast run --events` wrote, as far as the next run depends on it.
#pragma once

#include <string_view>

#include <pfctl/rerun_arguments.hpp>

namespace pf::watch {

// Lines that are no events are passed over: a run that was killed leaves half of one.
[[nodiscard]] ctl::RunFacts read_events(std::string_view lines);

}  // namespace pf::watch
