#include "origin_recorder.hpp"

#include <Python.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "input_recorder.hpp"
#include "open_sockets.hpp"
#include "process_state.hpp"

namespace pf::exec {
namespace {

constexpr std::string_view k_adapter = "_pfast_exec.";

PyObject* item(PyObject* args, Py_ssize_t index) {
  return PyTuple_Check(args) && index < PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, index) : nullptr;
}

std::string text_of(PyObject* text) {
  const char* utf8 = text != nullptr && PyUnicode_Check(text) ? PyUnicode_AsUTF8(text) : nullptr;
  PyErr_Clear();
  return utf8 != nullptr ? utf8 : "";
}

// -1 when it has no descriptor (yet).
int descriptor_of(PyObject* socket) {
  const int fd = PyObject_AsFileDescriptor(socket);
  PyErr_Clear();
  return fd;
}

std::string file_name(PyFrameObject* frame) {
  PyCodeObject* code = PyFrame_GetCode(frame);
  std::string name = text_of(code->co_filename);
  Py_DECREF(code);
  return name;
}

std::string module_of(PyFrameObject* frame) {
  PyObject* globals = PyFrame_GetGlobals(frame);
  std::string name = text_of(PyDict_GetItemString(globals, "__name__"));
  Py_DECREF(globals);
  return name;
}

// "<frozen importlib._bootstrap>", "<string>"
bool has_no_file(std::string_view name) { return name.empty() || name.front() == '<'; }

bool is_within(std::string_view name, std::string_view folder) {
  return name.starts_with(folder) && name.find("-packages/", folder.size()) == name.npos;
}

// A new reference; to None when the object is gone. PyWeakref_GetObject is on its way out of CPython.
PyObject* target_of(PyObject* reference) { return PyObject_CallNoArgs(reference); }

bool refers_to(PyObject* reference, PyObject* object) {
  PyObject* const target = target_of(reference);
  Py_XDECREF(target);
  return target == object;
}

void on_thread(OriginRecorder& recorder, PyObject* args) { recorder.note_thread(item(args, 0)); }
void on_socket(OriginRecorder& recorder, PyObject* args) { recorder.note_socket(item(args, 0)); }
void on_open_socket(OriginRecorder& recorder, PyObject* args) { recorder.note_open_socket(item(args, 0)); }

// A path, or "file:path?options".
void on_database(OriginRecorder& recorder, PyObject* args) {
  std::string path = path_argument(item(args, 0));
  if (path.starts_with("file:")) path = path.substr(5, path.find('?') - 5);
  char resolved[PATH_MAX];
  if (!path.empty() && path.front() != ':') recorder.note_database(::realpath(path.c_str(), resolved) != nullptr ? resolved : path);
}

struct AuditRule {
  const char* event;
  void (*handle)(OriginRecorder&, PyObject*);
};

constexpr AuditRule k_rules[] = {
    {"socket.__new__", on_socket},
    {"socket.bind", on_open_socket},
    {"socket.connect", on_open_socket},
    {"_thread.start_new_thread", on_thread},
    {"_thread.start_joinable_thread", on_thread},
    {"sqlite3.connect", on_database},
};

int audit_hook(const char* event, PyObject* args, void* /*user_data*/) {
  if (event[0] != 's' && event[0] != '_') return 0;           // there are thousands of imports
  OriginRecorder& recorder = OriginRecorder::instance();
  if (!recorder.recording()) return 0;
  for (const AuditRule& rule : k_rules) {
    if (std::strcmp(event, rule.event) != 0) continue;
    PyObject* type = nullptr;
    PyObject* value = nullptr;
    PyObject* traceback = nullptr;
    PyErr_Fetch(&type, &value, &traceback);                   // an audit hook must not disturb an exception on its way
    rule.handle(recorder, args);
    PyErr_Restore(type, value, traceback);
    break;
  }
  return 0;
}

}  // namespace

OriginRecorder& OriginRecorder::instance() noexcept {
  static OriginRecorder recorder;
  return recorder;
}

void OriginRecorder::start(std::string standard_library) {
  standard_library_ = std::move(standard_library);
  if (!standard_library_.empty() && standard_library_.back() != '/') standard_library_ += '/';
  if (!hooked_) hooked_ = PySys_AddAuditHook(audit_hook, nullptr) == 0;
  recording_ = true;
}

void OriginRecorder::stop() noexcept {
  recording_ = false;
  for (Seen* seen : {&threads_, &sockets_}) {
    for (const auto& [reference, origin] : *seen) Py_DECREF(reference);
    seen->clear();
  }
  by_name_.clear();
}

// With nothing but the standard library on the stack, its outermost caller.
Origin OriginRecorder::current() const {
  PyFrameObject* frame = PyThreadState_GetFrame(PyThreadState_Get());
  Origin found;
  while (frame != nullptr) {
    const std::string file = file_name(frame);
    std::string module = module_of(frame);
    if (!has_no_file(file) && !module.starts_with(k_adapter)) {
      found = {std::move(module), file + ':' + std::to_string(PyFrame_GetLineNumber(frame))};
      if (!is_within(file, standard_library_)) break;
    }
    PyFrameObject* const caller = PyFrame_GetBack(frame);
    Py_DECREF(frame);
    frame = caller;
  }
  Py_XDECREF(frame);
  return found;
}

void OriginRecorder::remember(Seen& seen, PyObject* object) const {
  PyObject* reference = PyWeakref_NewRef(object, nullptr);
  if (reference == nullptr) PyErr_Clear();                    // a type without them
  else seen.emplace_back(reference, current());
}

void OriginRecorder::note_thread(PyObject* function) {
  // threading.Thread starts its own bound method.
  if (function != nullptr && PyMethod_Check(function)) remember(threads_, PyMethod_Self(function));
}

void OriginRecorder::note_socket(PyObject* socket) {
  if (socket != nullptr) remember(sockets_, socket);
}

void OriginRecorder::note_open_socket(PyObject* socket) {
  const int fd = socket != nullptr ? descriptor_of(socket) : -1;
  if (fd >= 0) by_name_.try_emplace(descriptor_target(fd), current());
}

void OriginRecorder::note_database(std::string path) { by_name_.try_emplace(std::move(path), current()); }

Origin OriginRecorder::of_thread(PyObject* thread) const {
  const auto is_it = [thread](const auto& entry) { return refers_to(entry.first, thread); };
  const auto found = std::find_if(threads_.rbegin(), threads_.rend(), is_it);
  return found != threads_.rend() ? found->second : Origin{};
}

std::vector<core::ImageSocket> OriginRecorder::open_sockets() const {
  // What made the socket is the better answer than what connected it: a pool, and not its first user.
  std::unordered_map<std::string, Origin> origins;
  for (const auto& [reference, origin] : sockets_) {
    PyObject* const socket = target_of(reference);
    const int fd = socket != nullptr && socket != Py_None ? descriptor_of(socket) : -1;
    Py_XDECREF(socket);
    if (fd >= 0) origins.try_emplace(descriptor_target(fd), origin);
  }
  for (const auto& [name, origin] : by_name_) origins.try_emplace(name, origin);
  std::vector<core::ImageSocket> out;
  for (const int fd : open_descriptors()) {
    if (fd == ProcessState::current().daemon.fd()) continue;
    const std::string target = descriptor_target(fd);
    const auto origin = origins.find(target);
    auto socket = describe_socket(fd);
    if (!socket && origin != origins.end() && target.starts_with('/')) socket = core::ImageSocket{fd, "sqlite", target, {}, false, {}, {}};
    if (!socket) continue;
    if (origin != origins.end()) {
      socket->module = origin->second.module;
      socket->location = origin->second.location;
    }
    out.push_back(std::move(*socket));
  }
  return out;
}

}  // namespace pf::exec
