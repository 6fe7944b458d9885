// Reports as version 1 streams them: dicts in the form of pytest_report_to_serializable. Private to pfctl; pure.
#pragma once

#include <string>
#include <string_view>

#include <pfcore/messages.hpp>
#include <pfcore/pickle_reader.hpp>
#include <pfcore/result.hpp>
#include <pfcore/value.hpp>

namespace pf::ctl {

// One result's serialised reports, one after the other; `opaque` of the first has to outlive this.
class V1Reports {
 public:
  // The payload of {'report': …}, without what pfast adds to a report for its own controllers.
  // Errors: those of decode_pickle (a plugin put something into it that is no plain value), malformed (neither a dict nor, after
  // one, the short form).
  [[nodiscard]] core::Result<std::string> next(std::string_view opaque);

 private:
  core::Document first_;
  bool is_first_ = true;
};

// The same from a phase alone: of an item whose process could not report it.
[[nodiscard]] std::string v1_report(std::string_view nodeid, const core::PhaseReport& phase);

}  // namespace pf::ctl
