#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <pfcore/value_builder.hpp>

#include "python_values.hpp"

namespace py = pybind11;

namespace pf::plugin {
namespace {

using core::Value;
using core::ValueBuilder;

std::string_view content_of(PyObject* bytes) {
  return {PyBytes_AS_STRING(bytes), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes))};
}

// Shorter texts cost less than remembering them.
constexpr Py_ssize_t k_remember_from_bytes = 32;

class FromPython {
 public:
  core::Document convert(py::handle root) {
    const Value made = value_of(root);
    while (!unfilled_.empty()) {
      const auto [object, value] = std::move(unfilled_.back());
      unfilled_.pop_back();
      build_.fill(value, values_of(object));
    }
    return build_.finish(made);
  }

 private:
  // A tuple or frozenset of which the elements before `next` have values.
  struct Level {
    py::object object;
    std::vector<py::object> elements;
    std::size_t next;
    std::vector<Value> values;
  };

  // The elements, held: a finalizer that runs meanwhile may change the container.
  static std::vector<py::object> elements_of(py::handle object) {
    std::vector<py::object> elements;
    const auto hold = [&](PyObject* element) { elements.push_back(py::reinterpret_borrow<py::object>(element)); };
    if (PyTuple_CheckExact(object.ptr())) {
      for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(object.ptr()); ++i) hold(PyTuple_GET_ITEM(object.ptr(), i));
    } else if (PyList_CheckExact(object.ptr())) {
      for (Py_ssize_t i = 0; i < PyList_GET_SIZE(object.ptr()); ++i) hold(PyList_GET_ITEM(object.ptr(), i));
    } else if (PyDict_CheckExact(object.ptr())) {
      PyObject* key = nullptr;
      PyObject* value = nullptr;
      for (Py_ssize_t at = 0; PyDict_Next(object.ptr(), &at, &key, &value) != 0;) {
        hold(key);
        hold(value);
      }
    } else {
      for (const py::handle element : object) hold(element.ptr());   // a set's own iterator
    }
    return elements;
  }

  std::vector<Value> values_of(py::handle object) {
    std::vector<Value> values;
    for (const py::object& element : elements_of(object)) values.push_back(value_of(element));
    return values;
  }

  // What need not be made of its elements first. False for a tuple or frozenset with elements that is not known yet.
  bool simple(py::handle object, Value& out) {
    PyObject* const it = object.ptr();
    if (it == Py_None) out = Value();
    else if (PyBool_Check(it)) out = build_.boolean(it == Py_True);
    else if (PyLong_CheckExact(it)) out = integer(object);
    else if (PyFloat_CheckExact(it)) out = build_.floating(PyFloat_AS_DOUBLE(it));
    else if (PyComplex_CheckExact(it)) out = build_.complex({PyComplex_RealAsDouble(it), PyComplex_ImagAsDouble(it)});
    else if (PyUnicode_CheckExact(it) && PyUnicode_GET_LENGTH(it) < k_remember_from_bytes) out = str(object);
    else if (PyBytes_CheckExact(it) && PyBytes_GET_SIZE(it) < k_remember_from_bytes) out = build_.bytes(content_of(it));
    else if (const auto known = known_.find(it); known != known_.end()) out = build_.again(known->second);
    else if (PyUnicode_CheckExact(it)) out = remember(object, str(object));
    else if (PyBytes_CheckExact(it)) out = remember(object, build_.bytes(content_of(it)));
    else if (PyByteArray_CheckExact(it)) {
      out = remember(object, build_.bytearray({PyByteArray_AS_STRING(it), static_cast<std::size_t>(PyByteArray_GET_SIZE(it))}));
    } else if (PyList_CheckExact(it)) out = later(object, build_.list());
    else if (PyDict_CheckExact(it)) out = later(object, build_.dict());
    else if (Py_IS_TYPE(it, &PySet_Type)) out = later(object, build_.set());
    else if (PyTuple_CheckExact(it) && PyTuple_GET_SIZE(it) == 0) out = build_.tuple({});
    else if (PyFrozenSet_CheckExact(it) && PySet_GET_SIZE(it) == 0) out = build_.frozenset({});
    else if (PyTuple_CheckExact(it) || PyFrozenSet_CheckExact(it)) return false;
    else throw py::type_error("encode " + std::string(py::str(py::type::of(object))) + ": it is no plain value");
    return true;
  }

  Value integer(py::handle object) {
    int overflow = 0;
    const long long number = PyLong_AsLongLongAndOverflow(object.ptr(), &overflow);
    if (overflow == 0) return build_.integer(number);
    if (const auto known = known_.find(object.ptr()); known != known_.end()) return known->second;
    const auto bits = object.attr("bit_length")().cast<std::size_t>();
    const py::bytes bytes = object.attr("to_bytes")(bits / 8 + 1, "little", py::arg("signed") = true);
    return remember(object, build_.integer(content_of(bytes.ptr())));
  }

  Value str(py::handle object) {
    Py_ssize_t size = 0;
    if (const char* const text = PyUnicode_AsUTF8AndSize(object.ptr(), &size); text != nullptr) {
      return build_.str({text, static_cast<std::size_t>(size)});
    }
    PyErr_Clear();   // lone surrogates
    PyObject* const encoded = PyUnicode_AsEncodedString(object.ptr(), "utf-8", "surrogatepass");
    if (encoded == nullptr) throw py::error_already_set();
    const auto held = py::reinterpret_steal<py::bytes>(encoded);
    return build_.str(content_of(encoded));
  }

  Value later(py::handle object, Value made) {
    unfilled_.emplace_back(py::reinterpret_borrow<py::object>(object), made);
    return remember(object, made);
  }

  Value remember(py::handle object, const Value& made) {
    known_.emplace(object.ptr(), made);
    held_.push_back(py::reinterpret_borrow<py::object>(object));   // its address must stay its own
    return made;
  }

  Value value_of(py::handle object) {
    Value made;
    if (simple(object, made)) return made;
    std::vector<Level> levels;
    levels.push_back({py::reinterpret_borrow<py::object>(object), elements_of(object), 0, {}});
    for (;;) {
      Level& level = levels.back();
      if (level.next < level.elements.size()) {
        const py::object element = level.elements[level.next++];
        if (simple(element, made)) level.values.push_back(made);
        else levels.push_back({element, elements_of(element), 0, {}});   // `level` is gone
        continue;
      }
      made = PyTuple_CheckExact(level.object.ptr()) ? build_.tuple(level.values) : build_.frozenset(level.values);
      remember(level.object, made);
      levels.pop_back();
      if (levels.empty()) return made;
      levels.back().values.push_back(made);
    }
  }

  ValueBuilder build_;
  std::vector<std::pair<py::object, Value>> unfilled_;
  std::unordered_map<PyObject*, Value> known_;
  std::vector<py::object> held_;
};

}  // namespace

core::Document from_python(py::handle root) { return FromPython().convert(root); }

}  // namespace pf::plugin
