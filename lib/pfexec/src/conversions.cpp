#include "conversions.hpp"

#include <cstring>
#include <utility>

#include "plain_report.hpp"

namespace py = pybind11;

namespace pf::exec {
namespace {

py::bytes to_bytes(const std::string& text) { return py::bytes(text); }

py::list to_bytes_list(const core::OsStrings& strings) {
  py::list out;
  for (const std::string& text : strings) out.append(to_bytes(text));
  return out;
}

// str with lone surrogates passed, as frames carry it; never raises UnicodeEncodeError.
std::string text_from(const py::handle& object) {
  if (object.is_none()) return {};
  if (!PyUnicode_Check(object.ptr())) return text_from(py::str(object));
  Py_ssize_t size = 0;
  if (const char* utf8 = PyUnicode_AsUTF8AndSize(object.ptr(), &size)) return {utf8, static_cast<std::size_t>(size)};
  PyErr_Clear();
  const py::bytes encoded = py::reinterpret_steal<py::bytes>(PyUnicode_AsEncodedString(object.ptr(), "utf-8", "surrogatepass"));
  if (!encoded) throw py::error_already_set();
  return bytes_from(encoded);
}

core::U32List numbers_from(const py::handle& object) {
  const std::string raw = bytes_from(object);
  core::U32List out(raw.size() / sizeof(std::uint32_t));
  if (!out.empty()) std::memcpy(out.data(), raw.data(), out.size() * sizeof(std::uint32_t));
  return out;
}

std::vector<std::string> texts_from(const py::handle& sequence) {
  std::vector<std::string> out;
  for (const py::handle item : py::reinterpret_borrow<py::object>(sequence)) out.push_back(text_from(item));
  return out;
}

std::vector<std::pair<std::string, std::string>> pairs_from(const py::handle& sequence) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const py::handle item : py::reinterpret_borrow<py::object>(sequence)) {
    const auto pair = py::reinterpret_borrow<py::tuple>(item);
    out.emplace_back(text_from(pair[0]), text_from(pair[1]));
  }
  return out;
}

std::vector<core::PhaseReport> phases_from(const py::handle& sequence) {
  std::vector<core::PhaseReport> out;
  for (const py::handle item : py::reinterpret_borrow<py::object>(sequence)) {
    out.push_back(phase_from_python(py::reinterpret_borrow<py::dict>(item)));
  }
  return out;
}

py::list numbers_to(const core::U32List& numbers) {
  py::list out(numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) out[i] = py::int_(numbers[i]);
  return out;
}

// What a process wrote is bytes; what is no text becomes U+FFFD.
py::str lossy_text(const std::string& bytes) {
  return py::reinterpret_steal<py::str>(PyUnicode_DecodeUTF8(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), "replace"));
}

struct EventToPython {
  py::tuple operator()(const WorkEvent& work) const {
    return py::make_tuple("work", work.slot, work.in_controller, work.opaque, work.workers);
  }
  py::tuple operator()(const SpawnEvent& spawn) const { return py::make_tuple("spawn", spawn.slot); }
  py::tuple operator()(const GoneEvent& gone) const {
    py::list sections;
    for (const auto& [title, text] : gone.exited.sections) sections.append(py::make_tuple(title, lossy_text(text)));
    const py::tuple exited = py::make_tuple(gone.exited.slot, gone.exited.pid, gone.exited.status, gone.exited.cause);
    return py::make_tuple("gone", exited, lossy_text(gone.exited.stacks), sections, leftovers_to_python(gone.leftovers), to_bytes(gone.output));
  }
  py::tuple operator()(const core::ReportForward& report) const {
    return py::make_tuple("report", report.item, report.worker, to_bytes_list(report.opaque), report.lost);
  }
  py::tuple operator()(const core::WarningReport& warning) const {
    return py::make_tuple("warning", py::bytes(warning.opaque));
  }
  py::tuple operator()(const core::EndRun& end) const {
    return py::make_tuple("end", numbers_to(end.failed), numbers_to(end.passed), end.stop_reason, end.interrupted, end.interrupted_at,
                          end.interrupt_code);
  }
};

}  // namespace

std::string bytes_from(const py::handle& object) {
  if (!PyBytes_Check(object.ptr())) throw py::type_error("expected bytes");
  return {PyBytes_AS_STRING(object.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(object.ptr()))};
}

py::list leftovers_to_python(const std::vector<Leftover>& leftovers) {
  py::list out;
  for (const Leftover& one : leftovers) out.append(py::make_tuple(one.pid, lossy_text(one.name), lossy_text(one.test)));
  return out;
}

core::WorkerExited exited_from_python(const py::dict& fields) {
  core::WorkerExited exited;
  exited.slot = fields["slot"].cast<std::int64_t>();
  exited.pid = fields["pid"].cast<std::int64_t>();
  exited.status = fields["status"].cast<std::int64_t>();
  exited.cause = text_from(fields["cause"]);
  exited.stacks = text_from(fields["stacks"]);
  exited.sections = pairs_from(fields["sections"]);
  return exited;
}

Sections sections_from_python(const py::handle& sections) { return pairs_from(sections); }

py::dict boot_to_python(const core::BootRequest& boot) {
  py::dict out;
  out["argv"] = to_bytes_list(boot.argv);
  out["scope"] = to_bytes_list(boot.scope);
  out["scope_is_whole"] = boot.scope_is_whole;
  out["cwd"] = to_bytes(boot.cwd);
  out["program"] = to_bytes(boot.program);
  out["umask"] = boot.umask;
  return out;
}

// Text as frames carry it: lone surrogates may be in it.
py::list to_text_list(const std::vector<std::string>& texts) {
  py::list out;
  for (const std::string& text : texts) {
    PyObject* const one = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogatepass");
    if (one == nullptr) throw py::error_already_set();
    out.append(py::reinterpret_steal<py::object>(one));
  }
  return out;
}

py::dict request_to_python(std::int64_t run_id, const core::RunRequest& request) {
  py::dict env;
  for (const auto& [key, value] : request.env) env[to_bytes(key)] = to_bytes(value);
  py::dict options;
  options["workers"] = request.options.workers;
  options["dist"] = request.options.dist;
  options["reporter"] = request.options.reporter;
  options["color"] = request.options.color;
  options["start_method"] = request.options.start_method;
  options["boot_timeout_s"] = request.options.boot_timeout_s;
  options["hang_dump_s"] = request.options.hang_dump_s;
  options["timeout_s"] = request.options.timeout_s;
  options["retries"] = request.options.retries;
  options["retry_delay_s"] = request.options.retry_delay_s;
  options["full_report"] = request.options.full_report;
  options["measure"] = request.options.measure;
  options["nodeids"] = to_text_list(request.options.nodeids);
  py::dict terminal;
  terminal["columns"] = request.terminal.columns;
  terminal["rows"] = request.terminal.rows;
  terminal["stdin_is_tty"] = request.terminal.stdin_is_tty;
  terminal["stdout_is_tty"] = request.terminal.stdout_is_tty;
  terminal["stderr_is_tty"] = request.terminal.stderr_is_tty;
  py::dict out;
  out["run_id"] = run_id;
  out["argv"] = to_bytes_list(request.argv);
  out["cwd"] = to_bytes(request.cwd);
  out["env"] = env;
  out["umask"] = request.umask;
  out["program"] = to_bytes(request.program);
  out["options"] = options;
  out["terminal"] = terminal;
  return out;
}

core::BootReady ready_from_python(const py::dict& fields) {
  core::BootReady ready;
  ready.nodeids = texts_from(fields["nodeids"]);
  for (const auto& [key, value] : py::reinterpret_borrow<py::dict>(fields["env_read"])) {
    ready.env_read.emplace_back(bytes_from(key), bytes_from(value));
  }
  for (const py::handle key : fields["env_absent"]) ready.env_absent.push_back(bytes_from(key));
  ready.env_read_whole = fields["env_read_whole"].cast<bool>();
  for (const py::handle thread : fields["threads"]) {
    const auto parts = py::reinterpret_borrow<py::tuple>(thread);
    ready.threads.push_back({text_from(parts[0]), text_from(parts[1]), text_from(parts[2])});
  }
  ready.native_threads = fields["native_threads"].cast<std::int64_t>();
  ready.flags = texts_from(fields["flags"]);
  ready.python_version = text_from(fields["python_version"]);
  ready.pytest_version = text_from(fields["pytest_version"]);
  ready.collect_errors = fields["collect_errors"].cast<std::int64_t>();
  return ready;
}

namespace {

core::TextOptions text_options_from(const py::dict& fields) {
  core::TextOptions text;
  text.known = true;
  text.color = fields["color"].cast<bool>();
  text.verbosity = fields["verbosity"].cast<std::int64_t>();
  text.verbosity_test_cases = fields["verbosity_test_cases"].cast<std::int64_t>();
  text.progress = text_from(fields["progress"]);
  text.captures = fields["captures"].cast<bool>();
  text.no_header = fields["no_header"].cast<bool>();
  text.no_summary = fields["no_summary"].cast<bool>();
  text.report_chars = text_from(fields["report_chars"]);
  text.durations = fields["durations"].cast<std::int64_t>();
  text.durations_min_s = fields["durations_min_s"].cast<double>();
  text.show_capture = fields["show_capture"].cast<bool>();
  text.disable_warnings = fields["disable_warnings"].cast<bool>();
  text.fold_skips = fields["fold_skips"].cast<bool>();
  text.xfail_tb = fields["xfail_tb"].cast<bool>();
  text.short_reasons = fields["short_reasons"].cast<bool>();
  text.tb = text_from(fields["tb"]);
  text.rootdir = bytes_from(fields["rootdir"]);
  text.cwd = bytes_from(fields["cwd"]);
  return text;
}

}  // namespace

core::Selected selected_from_python(const py::dict& fields) {
  core::Selected selected;
  selected.way = text_from(fields["way"]);
  selected.why = text_from(fields["why"]);
  selected.nodeids = texts_from(fields["nodeids"]);
  selected.groups = numbers_from(fields["groups"]);
  selected.serial = numbers_from(fields["serial"]);
  selected.resources = texts_from(fields["resources"]);
  selected.seats = numbers_from(fields["seats"]);
  selected.needs = numbers_from(fields["needs"]);
  selected.time_limits = numbers_from(fields["time_limits"]);
  selected.cache_dir = bytes_from(fields["cache_dir"]);
  selected.deselected = fields["deselected"].cast<std::int64_t>();
  selected.collect_reports = phases_from(fields["collect_reports"]);
  selected.maxfail = fields["maxfail"].cast<std::int64_t>();
  selected.max_worker_restart = fields["max_worker_restart"].cast<std::int64_t>();
  selected.inline_run = fields["inline_run"].cast<bool>();
  selected.own_sessions = fields["own_sessions"].cast<bool>();
  selected.session_over = fields["session_over"].cast<bool>();
  selected.outside_scope = fields["outside_scope"].cast<bool>();
  selected.text_shown = fields["text_shown"].cast<bool>();
  selected.wants_reports = fields["wants_reports"].cast<bool>();
  if (fields.contains("text")) selected.text = text_options_from(fields["text"]);
  return selected;
}

core::PhaseReport phase_from_python(const py::dict& fields) {
  core::PhaseReport phase;
  phase.when = text_from(fields["when"]);
  phase.outcome = text_from(fields["outcome"]);
  phase.duration_s = fields["duration_s"].cast<double>();
  phase.start_s = fields["start_s"].cast<double>();
  phase.longrepr = text_from(fields["longrepr"]);
  phase.reason = text_from(fields["reason"]);
  phase.category = text_from(fields["category"]);
  phase.letter = text_from(fields["letter"]);
  phase.word = text_from(fields["word"]);
  phase.wasxfail = fields["wasxfail"].cast<bool>();
  phase.headline = text_from(fields["headline"]);
  phase.location = text_from(fields["location"]);
  phase.crash_line = text_from(fields["crash_line"]);
  phase.sections = pairs_from(fields["sections"]);
  phase.properties = pairs_from(fields["properties"]);
  return phase;
}

core::WarningReport warning_from_python(const py::dict& fields) {
  core::WarningReport warning;
  warning.when = text_from(fields["when"]);
  warning.nodeid = text_from(fields["nodeid"]);
  warning.message = text_from(fields["message"]);
  warning.category = text_from(fields["category"]);
  warning.location = text_from(fields["location"]);
  warning.opaque = bytes_from(fields["opaque"]);
  return warning;
}

py::list testcases_to_python(const core::Testcases& testcases) {
  py::list out;
  for (std::size_t i = 0; i < testcases.items.size(); ++i) out.append(py::make_tuple(testcases.items[i], testcases.texts[i]));
  return out;
}

py::tuple event_to_python(const ControllerEvent& event) { return std::visit(EventToPython{}, event); }

bool plain_pass_from_python(const py::handle& report, bool want_sections, core::PhaseReport& out) {
  if (std::strcmp(Py_TYPE(report.ptr())->tp_name, "TestReport") != 0) return false;   // a subtest's, a plugin's
  const py::object fields = report_fields(report);
  if (!fields) return false;
  const ReportNames& names = report_names();
  const auto get = [&fields](PyObject* name) { return py::handle(PyDict_GetItem(fields.ptr(), name)); };
  const auto is_there = [&get](PyObject* name) {
    const py::handle value = get(name);
    return value && PyObject_IsTrue(value.ptr()) == 1;
  };
  const py::handle outcome = get(names.outcome);
  if (!outcome || !PyUnicode_Check(outcome.ptr()) || PyUnicode_CompareWithASCIIString(outcome.ptr(), "passed") != 0) return false;
  const py::handle longrepr = get(names.longrepr);
  if (get(names.wasxfail) || (longrepr && !longrepr.is_none())) return false;
  if ((want_sections && is_there(names.sections)) || is_there(names.user_properties)) return false;
  const py::handle when = get(names.when);
  if (!when || !PyUnicode_Check(when.ptr())) return false;
  out.when = text_from(when);
  out.outcome = "passed";
  if (const py::handle duration = get(names.duration)) out.duration_s = PyFloat_AsDouble(duration.ptr());
  if (const py::handle start = get(names.start)) out.start_s = PyFloat_AsDouble(start.ptr());
  if (PyErr_Occurred() != nullptr) PyErr_Clear();
  if (out.when == "call") {
    out.category = "passed";
    out.letter = ".";
    out.word = "PASSED";
  }
  return true;
}

}  // namespace pf::exec
