// pytest's serialised form of a report that holds plain values only, written without running any Python code but the str()
// of a node id: most reports of most runs.
#pragma once

#include <optional>
#include <string>

#include <pybind11/pybind11.h>

namespace pf::exec {

// The pickle of what pytest's own pytest_report_to_serializable gives for `report`, an instance of exactly
// _pytest.reports.TestReport; nothing when something in it is no plain value (an exception's representation, a path, an
// object of a plugin, nesting beyond 8), which only the hook itself can turn into one. Needs the GIL.
[[nodiscard]] std::optional<std::string> pickle_plain_report(const pybind11::handle& report);

}  // namespace pf::exec
