#include <cstring>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "python_values.hpp"

namespace py = pybind11;

namespace pf::plugin {
namespace {

using core::Kind;
using core::Value;

// A new reference; throws when there is none.
py::object owned(PyObject* made) {
  if (made == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(made);
}

void check(int status) {
  if (status != 0) throw py::error_already_set();
}

py::object big_integer(std::string_view twos_complement) {
  return py::module_::import("builtins").attr("int").attr("from_bytes")(py::bytes(twos_complement.data(), twos_complement.size()), "little",
                                                                        py::arg("signed") = true);
}

py::object scalar(const Value& value) {
  switch (value.kind()) {
    case Kind::none: return py::none();
    case Kind::boolean: return py::bool_(*value.as_bool());
    case Kind::integer: return owned(PyLong_FromLongLong(*value.as_int()));
    case Kind::big_integer: return big_integer(*value.as_big_int());
    case Kind::floating: return owned(PyFloat_FromDouble(*value.as_float()));
    case Kind::complex: return owned(PyComplex_FromDoubles(value.as_complex()->real, value.as_complex()->imaginary));
    case Kind::str: {
      const std::string_view text = *value.as_str();
      return owned(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogatepass"));
    }
    case Kind::bytes: {
      const std::string_view data = *value.as_bytes();
      return owned(PyBytes_FromStringAndSize(data.data(), static_cast<Py_ssize_t>(data.size())));
    }
    case Kind::bytearray: {
      const std::string_view data = *value.as_bytes();
      return owned(PyByteArray_FromStringAndSize(data.data(), static_cast<Py_ssize_t>(data.size())));
    }
    default: throw std::logic_error("a container is no scalar");
  }
}

// Shorter texts cost less than remembering them; a million of the others, fetched from one place, must not be a million copies.
constexpr std::size_t k_remember_from_bytes = 32;

// What a text that was fetched again has in common with the first one. Null for what is no text or short.
const void* address_of_text(const Value& value) {
  const auto text = value.kind() == Kind::str ? value.as_str() : value.kind() == Kind::bytes ? value.as_bytes() : value.as_big_int();
  return text && text->size() >= k_remember_from_bytes ? text->data() : nullptr;
}

bool is_container(Kind kind) { return kind >= Kind::tuple; }

class ToPython {
 public:
  py::object convert(const Value& root) {
    py::object made = object_of(root);
    while (!unfilled_.empty()) {
      const auto [value, object] = std::move(unfilled_.back());
      unfilled_.pop_back();
      fill(value, object);
    }
    return made;
  }

 private:
  // A tuple or frozenset of which the elements before `next` exist.
  struct Level {
    Value value;
    std::size_t next;
    std::vector<py::object> elements;
  };

  // What need not be made of its elements first: a scalar, something known, or a container that is filled later. Null otherwise.
  py::object simple(const Value& value) {
    if (!is_container(value.kind())) {
      const void* const identity = value.may_be_shared() ? value.identity() : address_of_text(value);
      if (identity == nullptr) return scalar(value);
      py::object& known = known_[identity];
      if (!known) known = scalar(value);
      return known;
    }
    if (value.may_be_shared()) {
      if (const auto known = known_.find(value.identity()); known != known_.end()) return known->second;
    }
    switch (value.kind()) {
      case Kind::list: return later(value, owned(PyList_New(0)));
      case Kind::dict: return later(value, owned(PyDict_New()));
      case Kind::set: return later(value, owned(PySet_New(nullptr)));
      default: return value.items().empty() ? empty(value.kind()) : py::object();
    }
  }

  static py::object empty(Kind kind) { return owned(kind == Kind::tuple ? PyTuple_New(0) : PyFrozenSet_New(nullptr)); }

  py::object later(const Value& value, py::object made) {
    unfilled_.emplace_back(value, made);
    return remember(value, std::move(made));
  }

  py::object remember(const Value& value, py::object made) {
    if (value.may_be_shared()) known_.emplace(value.identity(), made);
    return made;
  }

  py::object object_of(const Value& value) {
    if (py::object made = simple(value)) return made;
    std::vector<Level> levels;
    levels.push_back({value, 0, {}});
    for (;;) {
      Level& level = levels.back();
      const auto items = level.value.items();
      if (level.next < items.size()) {
        const Value& item = items[level.next++];
        if (py::object made = simple(item)) level.elements.push_back(std::move(made));
        else levels.push_back({item, 0, {}});   // `level` is gone
        continue;
      }
      py::object made = remember(level.value, whole(level));
      levels.pop_back();
      if (levels.empty()) return made;
      levels.back().elements.push_back(std::move(made));
    }
  }

  static py::object whole(Level& level) {
    if (level.value.kind() == Kind::tuple) {
      py::object made = owned(PyTuple_New(static_cast<Py_ssize_t>(level.elements.size())));
      for (std::size_t i = 0; i < level.elements.size(); ++i) {
        PyTuple_SET_ITEM(made.ptr(), static_cast<Py_ssize_t>(i), level.elements[i].release().ptr());
      }
      return made;
    }
    py::object made = owned(PyFrozenSet_New(nullptr));
    for (const py::object& element : level.elements) check(PySet_Add(made.ptr(), element.ptr()));
    return made;
  }

  void fill(const Value& value, const py::object& object) {
    if (value.kind() == Kind::dict) {
      for (const core::DictEntry& entry : value.entries()) {
        const py::object key = object_of(entry.key);
        check(PyDict_SetItem(object.ptr(), key.ptr(), object_of(entry.value).ptr()));
      }
      return;
    }
    const bool is_list = value.kind() == Kind::list;
    for (const Value& item : value.items()) {
      const py::object made = object_of(item);
      check(is_list ? PyList_Append(object.ptr(), made.ptr()) : PySet_Add(object.ptr(), made.ptr()));
    }
  }

  std::vector<std::pair<Value, py::object>> unfilled_;
  std::unordered_map<const void*, py::object> known_;
};

}  // namespace

py::object to_python(const Value& root) { return ToPython().convert(root); }

}  // namespace pf::plugin
