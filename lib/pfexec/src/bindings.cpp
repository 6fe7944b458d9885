// The embedded module _pfexec: what the Python adapter may call. It decides nothing; it hands over.
#include <pybind11/embed.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <dlfcn.h>

#include <cstdio>
#include <string>
#include <utility>

#include "conversions.hpp"
#include "controller.hpp"
#include "input_recorder.hpp"
#include "origin_recorder.hpp"
#include "page_rehearsal.hpp"
#include "pause.hpp"
#include "process_state.hpp"
#include "python_adapter.hpp"
#include "stat_recorder.hpp"
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
  ready.inputs = InputRecorder::instance().inputs();
  ready.sockets = OriginRecorder::instance().open_sockets();
  ready.libpython = path_of_libpython();
  OriginRecorder::instance().stop();
  const Wake wake = pause(ready);
  return request_to_python(wake.run_id, wake.request);
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

void send_controller_finished(std::int64_t exit_code, const py::bytes& output, double duration_s) {
  core::ControllerFinished finished;
  finished.exit_code = exit_code;
  finished.output = bytes_from(output);
  finished.duration_s = duration_s;
  (void)ProcessState::current().daemon.send(core::encode(finished));
  PageRehearsal::instance().note();
}

py::object number_or_none(std::optional<std::uint32_t> item) {
  if (!item || *item == core::k_no_item) return py::none();
  return py::int_(*item);
}

py::object claim() {
  while (worker_reserve() && !worker_acquire()) {
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  }
  const auto next = worker_claim();
  if (!next) return py::none();
  return py::make_tuple(next->item, number_or_none(next->next));
}

double& phase_cpu_mark() {
  static double mark = 0;
  return mark;
}

double cpu_since_mark() {
  const double now = cpu_s();
  return now - std::exchange(phase_cpu_mark(), now);
}

std::uint32_t start_item(std::uint32_t item) {
  phase_cpu_mark() = cpu_s();
  return begin_item(item);
}

bool add_plain_report(const py::object& report, bool want_sections, const py::bytes& opaque) {
  core::PhaseReport phase;
  if (!plain_pass_from_python(report, want_sections, phase)) return false;
  phase.cpu_s = cpu_since_mark();
  add_phase(std::move(phase), bytes_from(opaque));
  return true;
}

void add_described_report(const py::dict& fields, const py::bytes& opaque) {
  core::PhaseReport phase = phase_from_python(fields);
  phase.cpu_s = cpu_since_mark();
  add_phase(std::move(phase), bytes_from(opaque));
}

void finish_worker(const std::string& interrupted, std::int64_t exit_code, const std::string& internal_error) {
  core::WorkerFinished message;
  message.interrupted = interrupted;
  message.exit_code = exit_code;
  message.internal_error = internal_error;
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
  module.def("pause", &pause_for_runs);

  module.def("send_selected", &send_selected);
  module.def("wait", &wait_for_event);
  module.def("controller_finished", &send_controller_finished);
  module.def("worker_count", &worker_count);
  module.def("kill_descendants", &kill_descendants);
  module.def("leave", [](int status) { leave(status); });

  module.def("claim", &claim);
  module.def("reserve", [] { return number_or_none(worker_reserve()); });
  module.def("drop_phase", &drop_phase);
  module.def("stopped", &run_stopped);
  module.def("stop", &stop_run);
  module.def("phase", [](std::uint32_t phase) { worker_phase(static_cast<core::ItemPhase>(phase)); });
  module.def("begin_item", &start_item);
  module.def("begin_try", &begin_try);
  module.def("add_plain_report", &add_plain_report);
  module.def("add_described_report", &add_described_report);
  module.def("finish_item", &finish_item);
  module.def("warning", [](const py::dict& fields) { send_warning(warning_from_python(fields)); });
  module.def("worker_finished", &finish_worker);
}

namespace {

// The adapter's folder is on sys.path for the import of the package only: the suite never sees it.
py::module_ import_adapter(const std::string& adapter_dir) {
  py::list path = py::module_::import("sys").attr("path");
  path.insert(0, adapter_dir);
  py::module_ adapter = py::module_::import("_pfast_exec.boot");
  path.attr("remove")(adapter_dir);
  return adapter;
}

}  // namespace

core::BootFailed collect_with_pytest(const core::BootRequest& boot, const std::string& adapter_dir) {
  core::BootFailed failed;
  try {
    const py::module_ adapter = import_adapter(adapter_dir);
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

void prepare_spare() noexcept {
  try {
    py::module_::import("_pfast_exec.image").attr("prepare_spare")();
  } catch (const py::error_already_set&) {
    PyErr_Clear();
  }
}

}  // namespace pf::exec
