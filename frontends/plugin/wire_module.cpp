// pfast.wire: libpfcore's codec for Python. pfast/wire.pyi is its manual.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <pfcore/frame.hpp>
#include <pfcore/pickle_reader.hpp>
#include <pfcore/pickle_writer.hpp>

#include "python_values.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace pf::plugin {
namespace {

using core::Limits;

constexpr int k_oldest_protocol = 2;
constexpr int k_newest_protocol = 5;
// Shorter pickles are decoded before another thread could have been waited for.
constexpr std::size_t k_release_from_bytes = 16u << 10;

// The bytes of an argument: those of a bytes object where they are, others copied, since their owner may change them.
class Content {
 public:
  explicit Content(py::handle object) {
    if (PyBytes_CheckExact(object.ptr())) {
      view_ = {PyBytes_AS_STRING(object.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(object.ptr()))};
      return;
    }
    Py_buffer buffer{};
    if (PyObject_GetBuffer(object.ptr(), &buffer, PyBUF_SIMPLE) != 0) throw py::error_already_set();
    const std::unique_ptr<Py_buffer, decltype(&PyBuffer_Release)> held(&buffer, PyBuffer_Release);
    copy_.assign(static_cast<const char*>(buffer.buf), static_cast<std::size_t>(buffer.len));
    view_ = copy_;
  }
  Content(const Content&) = delete;
  Content& operator=(const Content&) = delete;
  [[nodiscard]] std::string_view view() const noexcept { return view_; }

 private:
  std::string copy_;
  std::string_view view_;
};

py::bytes bytes_of(std::string_view text) { return {text.data(), text.size()}; }

// ---------------------------------------------------------------- errors

PyObject* new_error(py::module_& module, const char* name, const char* doc) {
  PyObject* const type = PyErr_NewExceptionWithDoc(("pfast.wire." + std::string(name)).c_str(), doc, PyExc_ValueError, nullptr);
  if (type == nullptr) throw py::error_already_set();
  module.add_object(name, type);
  return type;
}

// Borrowed from the module, which lives as long as the process.
PyObject* g_decode_error = nullptr;
PyObject* g_frame_error = nullptr;

[[noreturn]] void raise_decode_error(const core::Error& error) {
  const py::object raised = py::reinterpret_borrow<py::object>(g_decode_error)("failed to " + error.message);
  raised.attr("code") = std::string(core::to_string(error.code));
  raised.attr("offset") = error.offset;
  raised.attr("reason") = error.message;
  PyErr_SetObject(g_decode_error, raised.ptr());
  throw py::error_already_set();
}

[[noreturn]] void raise_frame_error(const core::Error& error) {
  PyErr_SetString(g_frame_error, ("failed to " + error.message).c_str());
  throw py::error_already_set();
}

// ---------------------------------------------------------------- functions

py::object loads(py::handle data, const std::optional<Limits>& limits) {
  const Content content(data);
  const auto decode = [&] { return core::decode_pickle(content.view(), limits.value_or(Limits::result()), core::Texts::borrowed); };
  const auto decode_unlocked = [&] {
    const py::gil_scoped_release unlocked;
    return decode();
  };
  const core::Result<core::Document> document = content.view().size() < k_release_from_bytes ? decode() : decode_unlocked();
  if (!document) raise_decode_error(document.error());
  return to_python(document->root());
}

py::bytes dumps(py::handle value, int protocol) {
  if (protocol < k_oldest_protocol || protocol > k_newest_protocol) {
    throw py::value_error("write protocol " + std::to_string(protocol) + ": it is not 2 to 5");
  }
  const core::Document document = from_python(value);
  core::PickleWriter writer(protocol);
  writer.value(document.root());
  return bytes_of(writer.finish());
}

py::bytes frame(py::handle payload) {
  const Content content(payload);
  const core::Result<std::string> framed = core::encode_frame(content.view());
  if (!framed) raise_frame_error(framed.error());
  return bytes_of(*framed);
}

// ---------------------------------------------------------------- classes

std::optional<py::bytes> next_payload(core::FrameReader& reader) {
  const auto payload = reader.next();
  if (!payload) raise_frame_error(payload.error());
  if (!payload->has_value()) return std::nullopt;
  return bytes_of(**payload);
}

void add_frame_reader(py::module_& module) {
  py::class_<core::FrameReader>(module, "FrameReader", py::is_final(), "Cuts a byte stream into payloads, whatever way it was split.")
      .def(py::init<std::size_t>(), "max_payload_bytes"_a = core::k_frame_cap_bytes)
      .def("feed", [](core::FrameReader& reader, py::handle data) { reader.feed(Content(data).view()); }, "data"_a,
           "Takes the next bytes of the stream.")
      .def("next", next_payload, "The next whole payload; None when more bytes are needed.")
      .def("__iter__", [](py::object self) { return self; })
      .def("__next__",
           [](core::FrameReader& reader) {
             auto payload = next_payload(reader);
             if (!payload) throw py::stop_iteration();
             return *payload;
           })
      .def_property_readonly("pending_bytes", &core::FrameReader::pending_bytes)
      .def_property_readonly("missing_bytes", &core::FrameReader::missing_bytes);
}

struct Bound {
  const char* name;
  std::size_t Limits::*member;
};
constexpr Bound k_bounds[] = {
    {"max_bytes", &Limits::max_bytes},         {"max_objects", &Limits::max_objects},
    {"max_depth", &Limits::max_depth},         {"max_int_digits", &Limits::max_int_digits},
    {"max_int_bytes", &Limits::max_int_bytes}, {"max_key_depth", &Limits::max_key_depth},
    {"max_key_nodes", &Limits::max_key_nodes},
};

Limits make_limits(const py::kwargs& given) {
  Limits limits = Limits::result();
  for (const auto& [key, value] : given) {
    const auto name = key.cast<std::string>();
    if (name == "python2_names") {
      limits.python2_names = value.cast<bool>();
      continue;
    }
    std::size_t Limits::*member = nullptr;
    for (const Bound& bound : k_bounds) {
      if (name == bound.name) member = bound.member;
    }
    if (member == nullptr) throw py::type_error("Limits has no bound '" + name + "'");
    limits.*member = value.cast<std::size_t>();
  }
  return limits;
}

std::string describe(const Limits& limits) {
  std::string text = "Limits(";
  for (const Bound& bound : k_bounds) text.append(bound.name).append("=").append(std::to_string(limits.*bound.member)).append(", ");
  return text + "python2_names=" + (limits.python2_names ? "True)" : "False)");
}

void add_limits(py::module_& module) {
  py::class_<Limits> limits(module, "Limits", py::is_final(), "Bounds in force while one pickle is decoded.");
  limits.def(py::init(&make_limits))
      .def_static("greeting", &Limits::greeting, "For whoever has not said who he is: 64 KiB, 512 deep.")
      .def_static("control", &Limits::control, "For commands: 16 MiB, 512 deep.")
      .def_static("result", &Limits::result, "max_bytes"_a = core::k_frame_cap_bytes, "For results: 10,000 deep.")
      .def("__repr__", &describe)
      .def_readwrite("python2_names", &Limits::python2_names);
  for (const Bound& bound : k_bounds) limits.def_readwrite(bound.name, bound.member);
}

}  // namespace
}  // namespace pf::plugin

PYBIND11_MODULE(wire, module) {
  using namespace pf::plugin;
  module.doc() = "pfast's wire codec: pickles of plain values, read without calling anything, and the frames that carry them.";
  g_decode_error = new_error(module, "DecodeError", "Bytes that are no pickle of plain values, or break a bound.");
  g_frame_error = new_error(module, "FrameError", "A frame longer than is allowed: the stream is lost.");
  module.attr("FRAME_CAP_BYTES") = pf::core::k_frame_cap_bytes;
  add_limits(module);
  add_frame_reader(module);
  module.def("loads", &loads, "data"_a, "limits"_a = py::none(), "The value of one whole pickle. Raises DecodeError.");
  module.def("dumps", &dumps, "value"_a, "protocol"_a = 4, "The pickle of a plain value.");
  module.def("frame", &frame, "payload"_a, "The payload with its header before it.");
}
