// The embedded module _pfexec: what the Python adapter may call. It decides nothing; it hands over.
#include <pybind11/embed.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <pfcore/stack_signal.hpp>

#include "checkpoint.hpp"
#include "conversions.hpp"
#include "controller.hpp"
#include "input_recorder.hpp"
#include "origin_recorder.hpp"
#include "page_rehearsal.hpp"
#include "pause.hpp"
#include "plain_report.hpp"
#include "process_state.hpp"
#include "process_title.hpp"
#include "python_adapter.hpp"
#include "stat_recorder.hpp"
#include "testcase.hpp"
#include "worker.hpp"

namespace py = pybind11;

namespace pf::exec {
namespace {

// The file that this very interpreter's code is in.
std::string path_of_libpython() {
  Dl_info info{};
  return ::dladdr(reinterpret_cast<void*>(&Py_GetVersion), &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "";
}

py::dict pause_for_runs(const py::dict& fields) {
  core::BootReady ready = ready_from_python(fields);
  InputRecorder::Recorded recorded = InputRecorder::instance().inputs();
  ready.inputs = std::move(recorded.inputs);
  if (const auto& checkpoints = Checkpoints::instance(); checkpoints.wanted()) {
    core::LadderReady ladder;
    ladder.input_marks = std::move(recorded.marks);
    ladder.obstacle = checkpoints.obstacle();
    (void)ProcessState::current().daemon.send(core::encode(ladder));
  }
  ready.sockets = OriginRecorder::instance().open_sockets();
  ready.libpython = path_of_libpython();
  OriginRecorder::instance().stop();
  const Wake wake = pause(ready);
  return request_to_python(wake.run_id, wake.request);
}

// [(descriptor of the file, 1 or 2 while that one is captured, else -1)]. A dict in a new forkserver that goes on from here.
py::object leave_checkpoint(const std::string& before, bool hot, const std::vector<std::pair<int, int>>& captures) {
  std::vector<CaptureFile> files;
  for (const auto& [file, target] : captures) files.push_back({file, target});
  const auto boot = Checkpoints::instance().leave_one(before, hot, files);
  if (!boot) return py::none();
  return boot_to_python(*boot);
}

void send_selected(const py::dict& fields) {
  if (!ProcessState::current().daemon.send(core::encode(selected_from_python(fields)))) leave(1);
}

py::tuple wait_for_event() {
  for (;;) {
    if (auto event = controller_wait()) return event_to_python(*event);
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  }
}

void send_controller_finished(std::int64_t exit_code, const std::string& stop_reason, const py::bytes& output, double duration_s) {
  finish_inline_run();
  core::ControllerFinished finished;
  finished.exit_code = exit_code;
  finished.stop_reason = stop_reason;
  finished.output = bytes_from(output);
  finished.duration_s = duration_s;
  (void)ProcessState::current().daemon.send(core::encode(finished));
  PageRehearsal::instance().note();
}

py::object start_fork(double collects_within_s) {
  const auto work = fork_worker(collects_within_s);
  if (!work) return py::none();
  return event_to_python(*work);
}

void start_program(const py::bytes& identity, const py::list& environment, const py::tuple& streams, double collects_within_s) {
  WorkerProgram program;
  program.identity = bytes_from(identity);
  for (const py::handle entry : environment) program.environment.push_back(bytes_from(entry));
  for (std::size_t i = 0; i < 3; ++i) program.streams[i] = streams[i].cast<int>();
  program.collects_within_s = collects_within_s;
  spawn_worker(std::move(program));
}

void attach_worker() {
  ProcessState& state = ProcessState::current();
  state.board->board().attach(state.slot, ::getpid());
}

// (stdout, stderr, stacks) as numbers; -1 without them.
py::tuple last_words_files() {
  const LastWords& words = ProcessState::current().last_words;
  return py::make_tuple(words.out.get(), words.err.get(), words.stacks.get());
}

void note_sections(const py::object& sections) {
  LastWords& words = ProcessState::current().last_words;
  if (words.valid()) words.note_sections(sections_from_python(sections));
}

void note_output(const py::bytes& output) { ProcessState::current().last_words.note_output(bytes_from(output)); }

py::object number_or_none(std::optional<std::uint32_t> item) {
  if (!item || *item == core::k_no_item) return py::none();
  return py::int_(*item);
}

py::object claim() {
  while (worker_reserve() && !worker_acquire()) {
    set_title_detail("waits for a resource");
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  }
  const auto next = worker_claim();
  if (!next) return py::none();
  return py::make_tuple(next->item, number_or_none(next->next));
}

// The test's name where `ps` shows it. A node id that is no text (pytest 9.2 has objects) is one on demand.
void show_item(const py::handle& nodeid) {
  const py::str text = PyUnicode_Check(nodeid.ptr()) ? py::reinterpret_borrow<py::str>(nodeid) : py::str(nodeid);
  Py_ssize_t size = 0;
  const char* utf8 = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (utf8 == nullptr) PyErr_Clear();            // lone surrogates
  else set_title_detail({utf8, static_cast<std::size_t>(size)});
}

std::uint32_t start_item(std::uint32_t item, const py::handle& nodeid) {
  show_item(nodeid);
  TestcaseWriter::instance().begin();
  return begin_item(item);
}

// Of a report that passed, what pytest's JUnit log reads: phase and duration.
std::string junit_pass(std::string_view when, double duration_s) {
  static core::PickleWriter& out = *new core::PickleWriter(4, core::PickleWriter::TextMemo::off);
  out.begin_tuple();
  out.str(when);
  out.floating(duration_s);
  out.end_tuple();
  return out.finish();
}

// What was noted for a testcase that there will not be. Reports that were pickled already are owed nothing.
void give_up_testcase() {
  const std::span<const double> noted = TestcaseWriter::instance().spoil();
  if (opaque_reports() > 0) return;
  for (std::size_t i = 0; i < noted.size(); ++i) add_opaque(junit_pass(TestcaseWriter::k_phases[i], noted[i]));
}

std::uint32_t start_try(double delay_s) {
  give_up_testcase();
  TestcaseWriter::instance().begin();
  return begin_try(delay_s);
}

void end_item() {
  std::string testcase = TestcaseWriter::instance().finish();
  if (testcase.empty()) give_up_testcase();
  finish_item(std::move(testcase));
}

void take_back_phase() {
  give_up_testcase();
  drop_phase();
}

void add_report(core::PhaseReport phase, std::string opaque) {
  give_up_testcase();
  if (opaque_reports() == 0) ReportPickler::instance().forget();   // later reports cannot be told by a first one that others wrote
  add_phase(std::move(phase), std::move(opaque));
}

bool add_plain_report(const py::object& report, bool want_sections, const py::bytes& opaque) {
  core::PhaseReport phase;
  if (!plain_pass_from_python(report, want_sections, phase)) return false;
  add_report(std::move(phase), bytes_from(opaque));
  return true;
}

// As add_plain_report, with what pytest's own hook makes of it; false too when that is not plain.
bool add_passed_report(const py::object& report, bool want_sections) {
  core::PhaseReport phase;
  if (!plain_pass_from_python(report, want_sections, phase)) return false;
  auto opaque = ReportPickler::instance().next(report, opaque_reports() == 0);
  if (!opaque) return false;
  if (TestcaseWriter& testcase = TestcaseWriter::instance(); testcase.enabled() && !testcase.note(report, phase)) give_up_testcase();
  add_phase(std::move(phase), std::move(*opaque));
  return true;
}

// As add_plain_report, for a run whose reports nobody reads but pytest's JUnit log. False too when something is to be told besides.
bool add_junit_pass(const py::object& report, bool want_sections) {
  core::PhaseReport phase;
  if (!plain_pass_from_python(report, want_sections, phase)) return false;
  if (TestcaseWriter::instance().note(report, phase)) {
    add_phase(std::move(phase), {});
    return true;
  }
  if (TestcaseWriter::has_more(report)) return false;
  std::string opaque = junit_pass(phase.when, phase.duration_s);
  add_report(std::move(phase), std::move(opaque));
  return true;
}

void add_described_report(const py::dict& fields, const py::bytes& opaque) {
  add_report(phase_from_python(fields), bytes_from(opaque));
}

void report_fixture(std::string fixture, std::string origin, std::string scope, std::string param, double took_s) {
  add_fixture({std::move(fixture), std::move(origin), std::move(scope), std::move(param), took_s});
}

void finish_worker(const std::string& interrupted, const std::string& interrupted_at, std::int64_t exit_code,
                   const std::string& internal_error) {
  core::WorkerFinished message;
  message.interrupted = interrupted;
  message.interrupted_at = interrupted_at;
  message.exit_code = exit_code;
  message.internal_error = internal_error;
  set_title_detail("leaving");
  send_worker_finished(std::move(message));
}

}  // namespace

PYBIND11_EMBEDDED_MODULE(_pfexec, module) {
  module.def("set_root", [](std::string root) { InputRecorder::instance().set_root(std::move(root)); });
  module.def("add_input", [](const std::string& path) { InputRecorder::instance().add_file(path); });
  module.def("add_input_directory", [](const std::string& path) { InputRecorder::instance().add_directory(path); });
  module.def("stop_recording", [] { InputRecorder::instance().stop(); });
  module.def("wrap_stat", &make_recording_stat);
  module.def("watch_origins", [](std::string standard_library) { OriginRecorder::instance().start(std::move(standard_library)); });
  module.def("note_thread", [](const py::object& function) { OriginRecorder::instance().note_thread(function.ptr()); });
  module.def("thread_origin", [](const py::object& thread) {
    const Origin origin = OriginRecorder::instance().of_thread(thread.ptr());
    return py::make_tuple(origin.module, origin.location);
  });
  module.def("checkpoint_due", [] { return Checkpoints::instance().due(); });
  module.def("checkpoint_worth_one", [] { return Checkpoints::instance().worth_one(); });
  module.def("checkpoint_is_hot", [](const std::string& path) { return Checkpoints::instance().is_hot(path); });
  module.def("leave_checkpoint", &leave_checkpoint);
  module.def("pause", &pause_for_runs);

  module.def("send_selected", &send_selected);
  module.def("wait", &wait_for_event);
  module.def("controller_finished", &send_controller_finished);
  module.def("worker_count", &worker_count);
  module.def("kill_descendants", [](int grace_ms) { return leftovers_to_python(kill_descendants(grace_ms)); }, py::arg("grace_ms") = 0);
  module.def("fork_worker", &start_fork);
  module.def("spawn_worker", &start_program);
  module.def("tell_worker_exited", [](const py::dict& fields) { tell_worker_exited(exited_from_python(fields)); });
  module.def("attach", &attach_worker);
  module.def("last_words", &last_words_files);
  module.def("note_sections", &note_sections);
  module.def("note_output", &note_output);
  module.def("show", [](const std::string& what) { set_title_detail(what); });
  module.def("leave", [](int status) { leave(status); });

  module.attr("STACK_SIGNAL") = core::stack_signal();

  module.def("claim", &claim);
  module.def("reserve", [] { return number_or_none(worker_reserve()); });
  module.def("drop_phase", &take_back_phase);
  module.def("stopped", &run_stopped);
  module.def("stop", &stop_run);
  module.def("phase", [](std::uint32_t phase) { worker_phase(static_cast<core::ItemPhase>(phase)); });
  module.def("begin_item", &start_item);
  module.def("begin_try", &start_try);
  module.def("add_plain_report", &add_plain_report);
  module.def("add_passed_report", &add_passed_report);
  module.def("add_junit_pass", &add_junit_pass);
  module.def("pickle_plain_report", [](const py::object& report) -> py::object {
    const auto pickle = ReportPickler::instance().whole(report);
    return pickle ? py::object(py::bytes(*pickle)) : py::none();
  });
  module.def("add_described_report", &add_described_report);
  module.def("measure", [] { ProcessState::current().measures = true; });
  module.def("add_fixture", &report_fixture);
  module.def("add_profile", &add_profile);
  module.def("finish_item", &end_item);
  module.def("write_testcases", [](py::object example, const std::array<bool, 3>& counts) {
    TestcaseWriter::instance().enable(std::move(example), counts);
  });
  module.def("testcases", [] { return testcases_to_python(take_testcases()); });
  module.def("warning", [](const py::dict& fields) { send_warning(warning_from_python(fields)); });
  module.def("worker_finished", &finish_worker);
}

namespace {

// The adapter's folder is on sys.path for the import of the package only: the suite never sees it.
py::module_ import_adapter(const std::string& adapter_dir, const char* name) {
  py::list path = py::module_::import("sys").attr("path");
  path.insert(0, adapter_dir);
  py::module_ adapter = py::module_::import(name);
  path.attr("remove")(adapter_dir);
  return adapter;
}

}  // namespace

core::BootFailed collect_with_pytest(const core::BootRequest& boot, const std::string& adapter_dir) {
  core::BootFailed failed;
  try {
    const py::module_ adapter = import_adapter(adapter_dir, "_pfast_exec.boot");
    const py::tuple ended = adapter.attr("run")(boot_to_python(boot));
    failed.exit_code = ended[0].cast<std::int64_t>();
    failed.message = ended[1].cast<std::string>();
  } catch (const py::error_already_set& error) {
    failed.exit_code = 70;
    failed.message = error.what();
  }
  // A forked child that unwinds as far as this has no business here: its session could not be carried on.
  if (ProcessState::current().role != Role::forkserver) {
    std::fprintf(stderr, "pfast: internal error in a forked child: %s\n", failed.message.c_str());
    leave(70);
  }
  return failed;
}

void run_worker_with_pytest(const core::WorkerBoot& boot, const std::string& adapter_dir) {
  core::WorkerFinished failed;
  try {
    py::dict work = request_to_python(0, boot.request);
    work["slot"] = boot.slot;
    work["workers"] = boot.workers;
    work["opaque"] = boot.opaque;
    work["identity"] = py::bytes(boot.identity);
    (void)import_adapter(adapter_dir, "_pfast_exec.own_session").attr("run_spawned")(work);
    failed.internal_error = "the worker's session ended before it began\n";
  } catch (const py::error_already_set& error) {
    failed.internal_error = error.what();
  }
  send_worker_finished(std::move(failed));
}

void before_import(PyObject* name, bool hot) noexcept {
  static bool within = false;                  // it imports nothing new itself; what it calls might
  if (within) return;
  within = true;
  try {
    py::module_::import("_pfast_exec.ladder").attr("before_import")(py::reinterpret_borrow<py::object>(name), hot);
  } catch (const py::error_already_set&) {
    PyErr_Clear();
  }
  within = false;
}

void prepare_spare() noexcept {
  try {
    py::module_::import("_pfast_exec.image").attr("prepare_spare")();
  } catch (const py::error_already_set&) {
    PyErr_Clear();
  }
}

}  // namespace pf::exec
