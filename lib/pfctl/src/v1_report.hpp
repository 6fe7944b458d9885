// Reports as version 1 streams them: dicts in the form of pytest_report_to_serializable. Private to pfctl; pure.
#pragma once

#include <string>
#include <string_view>

#include <pfcore/messages.hpp>
#include <pfcore/result.hpp>
#include <pfcore/value.hpp>

namespace pf::ctl {

// The payload of {'report': …} from a worker's serialised report, without what pfast adds to it for its own controllers.
// Errors: those of decode_pickle (a plugin put something into it that is no plain value), malformed (no dict).
[[nodiscard]] core::Result<std::string> v1_report(std::string_view opaque);
// The same from a phase alone: of an item whose process could not report it.
[[nodiscard]] std::string v1_report(std::string_view nodeid, const core::PhaseReport& phase);

}  // namespace pf::ctl
