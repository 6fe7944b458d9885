#include "plain_report.hpp"

#include <string>

#include <pfcore/pickle_writer.hpp>

namespace py = pybind11;

namespace pf::exec {
namespace {

constexpr int k_most_depth = 8;

// False, and no Python exception: lone surrogates, which the hook's way carries.
bool put_text(core::PickleWriter& out, PyObject* text) {
  Py_ssize_t size = 0;
  const char* const utf8 = PyUnicode_AsUTF8AndSize(text, &size);
  if (utf8 == nullptr) {
    PyErr_Clear();
    return false;
  }
  out.str({utf8, static_cast<std::size_t>(size)});
  return true;
}

bool put_number(core::PickleWriter& out, PyObject* number) {
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
  if (overflow != 0) return false;
  out.integer(value);
  return true;
}

bool put(core::PickleWriter& out, PyObject* value, int depth);

bool put_dict(core::PickleWriter& out, PyObject* dict, int depth) {
  out.begin_dict();
  PyObject* key = nullptr;
  PyObject* value = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(dict, &at, &key, &value) != 0;) {
    if (!put(out, key, depth + 1) || !put(out, value, depth + 1)) return false;
  }
  out.end_dict();
  return true;
}

// Exact types only: what a derived class would be pickled as is its own affair.
bool put(core::PickleWriter& out, PyObject* value, int depth) {
  if (depth > k_most_depth) return false;
  if (value == Py_None) return out.none(), true;
  if (PyBool_Check(value)) return out.boolean(value == Py_True), true;
  if (PyUnicode_CheckExact(value)) return put_text(out, value);
  if (PyFloat_CheckExact(value)) return out.floating(PyFloat_AS_DOUBLE(value)), true;
  if (PyLong_CheckExact(value)) return put_number(out, value);
  if (PyDict_CheckExact(value)) return put_dict(out, value, depth);
  if (PyTuple_CheckExact(value)) {
    out.begin_tuple();
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(value); ++i) {
      if (!put(out, PyTuple_GET_ITEM(value, i), depth + 1)) return false;
    }
    out.end_tuple();
    return true;
  }
  if (PyList_CheckExact(value)) {
    out.begin_list();
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(value); ++i) {
      if (!put(out, PyList_GET_ITEM(value, i), depth + 1)) return false;
    }
    out.end_list();
    return true;
  }
  return false;
}

// The three reports of an item share its id, an object since pytest 9.2 whose text is made anew each time.
class LastId {
 public:
  PyObject* text_of(PyObject* id) {
    if (id != id_.ptr()) {
      text_ = py::str(py::handle(id));
      id_ = py::reinterpret_borrow<py::object>(id);
    }
    return text_.ptr();
  }

 private:
  py::object id_;
  py::object text_;
};

LastId& last_id() {
  static LastId* const id = new LastId;   // never freed: the interpreter may be gone by then
  return *id;
}

bool put_fields(core::PickleWriter& out, PyObject* fields) {
  PyObject* id = nullptr;
  PyObject* key = nullptr;
  PyObject* value = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(fields, &at, &key, &value) != 0;) {
    if (!PyUnicode_CheckExact(key)) return false;
    if (PyUnicode_CompareWithASCIIString(key, "_id") == 0) {
      id = value;
      continue;
    }
    if (PyUnicode_CompareWithASCIIString(key, "result") == 0 || !put_text(out, key) || !put(out, value, 0)) return false;
  }
  if (id != nullptr) {
    out.str("nodeid");
    if (!put_text(out, last_id().text_of(id))) return false;
  }
  out.field("$report_type", "TestReport");
  return true;
}

}  // namespace

std::optional<std::string> pickle_plain_report(const py::handle& report) {
  static std::optional<core::PickleWriter> out;     // its memory serves all reports
  const py::object fields = py::reinterpret_steal<py::object>(PyObject_GenericGetDict(report.ptr(), nullptr));
  if (!fields) {
    PyErr_Clear();
    return std::nullopt;
  }
  if (!out) out.emplace();
  out->begin_dict();
  if (!put_fields(*out, fields.ptr())) {
    out.reset();                                    // it stands within a dict
    return std::nullopt;
  }
  out->end_dict();
  return out->finish();
}

}  // namespace pf::exec
