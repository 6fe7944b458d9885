// pfast._client: what pfast's pytest plugin does natively. pfast/_client.pyi is its manual.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <csignal>
#include <string>

#include "fast_run.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace pf::plugin {
namespace {

const char* name_of(FastEnd::How how) {
  switch (how) {
    case FastEnd::How::finished: return "finished";
    case FastEnd::How::not_begun: return "not-begun";
    case FastEnd::How::wrong_use: return "wrong-use";
    case FastEnd::How::failed: break;
  }
  return "failed";
}

// Node ids and texts of the daemon's are UTF-8 as a rule; what is not must not be lost.
py::str text_of(const std::string& text) {
  PyObject* const decoded = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape");
  if (decoded == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(decoded);
}

py::dict run(const std::vector<py::bytes>& argv, const py::bytes& program, const std::optional<py::bytes>& sys_path, const py::bytes& python, const py::bytes& executable,
             const std::optional<py::bytes>& address, std::optional<std::int64_t> workers, std::optional<std::string> dist,
             std::optional<double> ttl_s, const std::array<int, 3>& streams, bool keep_outcomes, bool dies_by_interrupt) {
  FastRun wanted;
  for (const py::bytes& argument : argv) wanted.argv.emplace_back(argument);
  wanted.program = std::string(program);
  if (sys_path) wanted.sys_path = std::string(*sys_path);
  wanted.python = std::string(python);
  wanted.executable = std::string(executable);
  if (address) wanted.address = std::string(*address);
  wanted.workers = workers;
  wanted.dist = std::move(dist);
  wanted.ttl_s = ttl_s;
  wanted.streams = streams;
  wanted.keep_outcomes = keep_outcomes;
  wanted.dies_by_interrupt = dies_by_interrupt;
  FastEnd end;
  {
    const py::gil_scoped_release unlocked;
    end = run_fast(wanted);
  }
  py::dict outcomes;
  for (const auto& [nodeid, outcome] : end.outcomes) outcomes[text_of(nodeid)] = outcome;
  py::list notes;
  for (const std::string& note : end.notes) notes.append(text_of(note));
  return py::dict("how"_a = name_of(end.how), "exit_code"_a = end.exit_code, "message"_a = text_of(end.message), "hint"_a = text_of(end.hint),
                  "ended_by"_a = end.ended_by, "address"_a = text_of(end.address), "notes"_a = notes, "outcomes"_a = outcomes);
}

std::string address_of(const py::bytes& python, const std::optional<py::bytes>& address) {
  return daemon_address(std::string(python), address ? std::optional(std::string(*address)) : std::nullopt);
}

}  // namespace
}  // namespace pf::plugin

PYBIND11_MODULE(_client, module) {
  using namespace pf::plugin;
  module.doc() = "The client of pytest --fast: a run that the daemon carries out, seen from the process that the user started.";
  module.def("run", &run, py::kw_only(), "argv"_a, "program"_a, "sys_path"_a, "python"_a, "executable"_a, "address"_a, "workers"_a, "dist"_a, "ttl_s"_a,
             "streams"_a, "keep_outcomes"_a, "dies_by_interrupt"_a);
  module.def("is_always_fast", &is_always_fast);
  module.def("daemon_address", &address_of, "python"_a, "address"_a);
  module.attr("VERSION") = PF_VERSION;
}
