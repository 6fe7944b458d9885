#include "plain_report.hpp"

#include <iterator>
#include <string>

#include <pfcore/short_report.hpp>

namespace py = pybind11;

namespace pf::exec {
namespace {

constexpr int k_most_depth = 8;
constexpr int k_protocol = 4;

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

bool is_container(PyObject* value) { return PyDict_CheckExact(value) || PyTuple_CheckExact(value) || PyList_CheckExact(value); }

Py_ssize_t size_of(PyObject* container) { return PyDict_CheckExact(container) ? PyDict_Size(container) : Py_SIZE(container); }

std::optional<std::size_t> place_of(PyObject* key) {
  Py_ssize_t size = 0;
  const char* const utf8 = PyUnicode_Check(key) ? PyUnicode_AsUTF8AndSize(key, &size) : nullptr;
  if (utf8 == nullptr) {
    PyErr_Clear();
    return std::nullopt;
  }
  return core::short_report_place({utf8, static_cast<std::size_t>(size)});
}

// Of atoms only: whoever holds it knows what is in it.
bool is_flat_tuple(PyObject* value) {
  if (!PyTuple_CheckExact(value)) return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(value); ++i) {
    if (is_container(PyTuple_GET_ITEM(value, i))) return false;
  }
  return true;
}

bool is_same(PyObject* one, PyObject* other) {
  return one == other || (PyUnicode_CheckExact(one) && PyUnicode_CheckExact(other) && PyUnicode_Compare(one, other) == 0);
}

}  // namespace

const ReportNames& report_names() {
  static const ReportNames* const names = new ReportNames;
  return *names;
}

py::object report_fields(const py::handle& report) {
  py::object fields = py::reinterpret_steal<py::object>(PyObject_GenericGetDict(report.ptr(), nullptr));
  if (!fields) PyErr_Clear();
  return fields;
}

PyObject* report_nodeid(PyObject* fields) {
  PyObject* const id = PyDict_GetItem(fields, report_names().id);
  return id != nullptr ? last_id().text_of(id) : PyDict_GetItem(fields, report_names().nodeid);
}

// ---------------------------------------------------------------- Likeness

template <typename Visit>
bool Likeness::walk(PyObject* value, int depth, Visit& visit) {
  if (!is_container(value) || is_flat_tuple(value)) return visit(value, -1);
  if (depth > k_most_depth || !visit(reinterpret_cast<PyObject*>(Py_TYPE(value)), size_of(value))) return false;
  if (PyDict_CheckExact(value)) {
    PyObject* key = nullptr;
    PyObject* item = nullptr;
    for (Py_ssize_t at = 0; PyDict_Next(value, &at, &key, &item) != 0;) {
      if (!walk(key, depth + 1, visit) || !walk(item, depth + 1, visit)) return false;
    }
    return true;
  }
  const bool is_tuple = PyTuple_CheckExact(value);
  for (Py_ssize_t i = 0; i < Py_SIZE(value); ++i) {
    if (!walk(is_tuple ? PyTuple_GET_ITEM(value, i) : PyList_GET_ITEM(value, i), depth + 1, visit)) return false;
  }
  return true;
}

void Likeness::forget() { seen_.clear(); }

void Likeness::take(PyObject* fields) {
  seen_.clear();
  std::size_t places = 0;
  auto see = [this](PyObject* object, Py_ssize_t size) {
    seen_.push_back({py::reinterpret_borrow<py::object>(object), size, std::nullopt});
    return true;
  };
  see(reinterpret_cast<PyObject*>(&PyDict_Type), PyDict_Size(fields));
  PyObject* key = nullptr;
  PyObject* value = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(fields, &at, &key, &value) != 0;) {
    see(key, -1);
    seen_.back().place = place_of(key);
    if (seen_.back().place) ++places;
    else walk(value, 0, see);
  }
  if (places != core::k_short_report_fields.size()) forget();
}

bool Likeness::matches(PyObject* fields, std::array<PyObject*, 4>& replaced) const {
  auto next = seen_.begin();
  auto is_as_seen = [this, &next](PyObject* object, Py_ssize_t size) {
    if (next == seen_.end() || next->size != size || !is_same(next->object.ptr(), object)) return false;
    ++next;
    return true;
  };
  if (!is_as_seen(reinterpret_cast<PyObject*>(&PyDict_Type), PyDict_Size(fields))) return false;
  PyObject* key = nullptr;
  PyObject* value = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(fields, &at, &key, &value) != 0;) {
    if (!is_as_seen(key, -1)) return false;
    if (const auto place = std::prev(next)->place) replaced[*place] = value;
    else if (!walk(value, 0, is_as_seen)) return false;
  }
  return next == seen_.end();
}

// ---------------------------------------------------------------- ReportPickler

ReportPickler& ReportPickler::instance() {
  static ReportPickler* const pickler = new ReportPickler;   // never freed: the interpreter may be gone by then
  return *pickler;
}

std::optional<std::string> ReportPickler::whole(const py::handle& report) {
  const py::object fields = report_fields(report);
  return fields ? pickle(fields.ptr()) : std::nullopt;
}

std::optional<std::string> ReportPickler::next(const py::handle& report, bool is_first) {
  const py::object fields = report_fields(report);
  if (!fields) return std::nullopt;
  std::array<PyObject*, 4> replaced{};
  if (!is_first && first_.matches(fields.ptr(), replaced)) return pickle_short(replaced);
  auto opaque = pickle(fields.ptr());
  if (is_first) {
    if (opaque) first_.take(fields.ptr());
    else first_.forget();
  }
  return opaque;
}

std::optional<std::string> ReportPickler::pickle(PyObject* fields) {
  if (!out_) out_.emplace(k_protocol, core::PickleWriter::TextMemo::off);
  out_->begin_dict();
  if (!put_fields(*out_, fields)) {
    out_.reset();                                    // it stands within a dict
    return std::nullopt;
  }
  out_->end_dict();
  return out_->finish();
}

std::optional<std::string> ReportPickler::pickle_short(const std::array<PyObject*, 4>& replaced) {
  if (!out_) out_.emplace(k_protocol, core::PickleWriter::TextMemo::off);
  out_->begin_tuple();
  for (PyObject* const value : replaced) {
    if (put(*out_, value, 0)) continue;
    out_.reset();
    return std::nullopt;
  }
  out_->end_tuple();
  return out_->finish();
}

}  // namespace pf::exec
