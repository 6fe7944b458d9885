// Python objects to messages and back. All functions need the GIL and raise Python exceptions for objects of a wrong kind.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include <pfcore/messages.hpp>

#include "controller.hpp"
#include "last_words.hpp"

namespace pf::exec {

[[nodiscard]] std::string bytes_from(const pybind11::handle& object);       // bytes, exactly
[[nodiscard]] pybind11::dict boot_to_python(const core::BootRequest& boot);
[[nodiscard]] pybind11::dict request_to_python(std::int64_t run_id, const core::RunRequest& request);
[[nodiscard]] core::BootReady ready_from_python(const pybind11::dict& fields);
[[nodiscard]] core::Selected selected_from_python(const pybind11::dict& fields);
[[nodiscard]] core::PhaseReport phase_from_python(const pybind11::dict& fields);
[[nodiscard]] core::WarningReport warning_from_python(const pybind11::dict& fields);
[[nodiscard]] pybind11::list leftovers_to_python(const std::vector<Leftover>& leftovers);   // [(pid, name, node id or "")]
[[nodiscard]] core::WorkerExited exited_from_python(const pybind11::dict& fields);
[[nodiscard]] Sections sections_from_python(const pybind11::handle& sections);              // [(title, text)]
[[nodiscard]] pybind11::list testcases_to_python(const core::Testcases& testcases);         // [(item, text)]
// ("work", slot, in_controller, opaque, workers) | ("spawn", slot)
// | ("gone", (slot, pid, status, cause), stacks, [(title, text)], leftovers, bytes) | ("report", item, worker, [bytes], lost) | ("warning", bytes)
// | ("end", [failed], [passed], reason, interrupted)
[[nodiscard]] pybind11::tuple event_to_python(const ControllerEvent& event);

// A report that has nothing to tell but its outcome and times, taken without running any Python code. False: the report
// needs the full description (failed, skipped, xfail, user properties, a class derived from TestReport, or sections that the run
// wants to see).
[[nodiscard]] bool plain_pass_from_python(const pybind11::handle& report, bool want_sections, core::PhaseReport& out);

}  // namespace pf::exec
