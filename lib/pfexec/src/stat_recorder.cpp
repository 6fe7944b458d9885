#include "stat_recorder.hpp"

#include <Python.h>

#include <algorithm>
#include <vector>

#include "input_recorder.hpp"

namespace py = pybind11;

namespace pf::exec {
namespace {

struct Known {
  PyObject* stat = nullptr;                // the original
  PyObject* path_stat = nullptr;           // code of pathlib.Path.stat, which only passes the call on
  std::vector<PyObject*> kind_questions;   // code of the functions that answer with yes or no
};

// Of the process' only interpreter, never released: an image ends by _exit.
Known& known() {
  static Known instance;
  return instance;
}

PyObject* code_of(const py::handle& owner, const char* name) {
  const py::object function = py::getattr(owner, name, py::none());
  const py::object code = py::getattr(function, "__code__", py::none());
  return code.is_none() ? nullptr : code.inc_ref().ptr();
}

bool asks_for_kind_only() {
  PyFrameObject* frame = PyEval_GetFrame();   // borrowed: the Python function that called os.stat
  if (frame == nullptr) return false;
  const auto is_code = [](PyFrameObject* of, auto&& matches) {
    PyCodeObject* code = PyFrame_GetCode(of);
    const bool result = matches(reinterpret_cast<PyObject*>(code));
    Py_DECREF(code);
    return result;
  };
  const auto is_question = [](PyObject* code) {
    const auto& questions = known().kind_questions;
    return std::find(questions.begin(), questions.end(), code) != questions.end();
  };
  if (is_code(frame, is_question)) return true;
  if (!is_code(frame, [](PyObject* code) { return code == known().path_stat; })) return false;
  PyFrameObject* caller = PyFrame_GetBack(frame);
  if (caller == nullptr) return false;
  const bool result = is_code(caller, is_question);
  Py_DECREF(caller);
  return result;
}

PyObject* recording_stat(PyObject* /*self*/, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
  InputRecorder& recorder = InputRecorder::instance();
  if (count > 0 && recorder.recording()) {
    if (const std::string path = path_argument(args[0]); !path.empty()) recorder.add_looked_at(path, asks_for_kind_only());
  }
  return PyObject_Vectorcall(known().stat, args, static_cast<std::size_t>(count), keywords);
}

PyMethodDef k_recording_stat = {
    "stat", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(recording_stat)), METH_FASTCALL | METH_KEYWORDS,
    "os.stat, recorded"};

}  // namespace

py::object make_recording_stat(const py::object& original) {
  Known& of = known();
  of.stat = original.inc_ref().ptr();
  const py::module_ generic_path = py::module_::import("genericpath");
  const py::object path = py::module_::import("pathlib").attr("Path");
  of.path_stat = code_of(path, "stat");
  for (const char* name : {"exists", "isfile", "isdir"}) {
    if (PyObject* code = code_of(generic_path, name)) of.kind_questions.push_back(code);
  }
  for (const char* name : {"exists", "is_file", "is_dir"}) {
    if (PyObject* code = code_of(path, name)) of.kind_questions.push_back(code);
  }
  return py::reinterpret_steal<py::object>(PyCFunction_NewEx(&k_recording_stat, nullptr, nullptr));
}

}  // namespace pf::exec
