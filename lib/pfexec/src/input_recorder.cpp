#include "input_recorder.hpp"

#include <Python.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <numeric>

#include <pfcore/input_identity.hpp>

#include "bytecode_cache.hpp"
#include "checkpoint.hpp"

namespace pf::exec {
namespace {

// Written by Python, pytest or the tools around them as a side effect of running: never an input.
constexpr std::string_view k_ignored_parts[] = {"/__pycache__/", "/.pytest_cache/", "/.hypothesis/", "/.git/", "/.coverage"};
constexpr std::string_view k_ignored_roots[] = {"/proc/", "/sys/", "/dev/", "/run/"};

std::string text_of_path(PyObject* argument) {
  if (argument == nullptr) return {};
  if (PyUnicode_Check(argument)) {
    PyObject* encoded = PyUnicode_EncodeFSDefault(argument);
    if (encoded == nullptr) {
      PyErr_Clear();
      return {};
    }
    std::string text(PyBytes_AS_STRING(encoded), static_cast<std::size_t>(PyBytes_GET_SIZE(encoded)));
    Py_DECREF(encoded);
    return text;
  }
  if (PyBytes_Check(argument)) return {PyBytes_AS_STRING(argument), static_cast<std::size_t>(PyBytes_GET_SIZE(argument))};
  if (PyLong_Check(argument) || argument == Py_None) return {};
  PyObject* path = PyOS_FSPath(argument);
  if (path == nullptr) {
    PyErr_Clear();
    return {};
  }
  std::string text = text_of_path(path);
  Py_DECREF(path);
  return text;
}

bool opens_for_writing(PyObject* mode, PyObject* flags) {
  if (mode != nullptr && PyUnicode_Check(mode)) {
    const char* text = PyUnicode_AsUTF8(mode);
    return text != nullptr && std::strpbrk(text, "wax+") != nullptr;
  }
  if (flags != nullptr && PyLong_Check(flags)) {
    const long bits = PyLong_AsLong(flags);
    return (bits & O_ACCMODE) != O_RDONLY || (bits & O_DIRECTORY) != 0;
  }
  return false;
}

PyObject* item(PyObject* args, Py_ssize_t index) {
  return PyTuple_Check(args) && index < PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, index) : nullptr;
}

void on_open(InputRecorder& recorder, PyObject* args) {
  if (opens_for_writing(item(args, 1), item(args, 2))) return;
  recorder.add_file(text_of_path(item(args, 0)));
}

// Module code is about to run: its source may have been read as bytecode only, so the code object names it.
void on_exec(InputRecorder& recorder, PyObject* args) {
  PyObject* code = item(args, 0);
  if (code == nullptr || !PyCode_Check(code)) return;
  PyObject* filename = PyObject_GetAttrString(code, "co_filename");
  if (filename == nullptr) {
    PyErr_Clear();
    return;
  }
  const std::string path = path_argument(filename);
  Py_DECREF(filename);
  if (!path.empty() && path.front() == '/') recorder.add_file(path);
}

void on_import(InputRecorder& recorder, PyObject* args) {
  recorder.add_file(path_argument(item(args, 1)));
  note_import(args);
}

void on_listing(InputRecorder& recorder, PyObject* args) {
  PyObject* path = item(args, 0);
  if (path == Py_None || path == nullptr) recorder.add_directory(".");
  else if (const std::string text = path_argument(path); !text.empty()) recorder.add_directory(text);
}

void on_load_library(InputRecorder& recorder, PyObject* args) {
  const std::string path = path_argument(item(args, 0));
  if (path.find('/') != std::string::npos) recorder.add_file(path);
}

struct AuditRule {
  const char* event;
  void (*handle)(InputRecorder&, PyObject*);
};

constexpr AuditRule k_rules[] = {
    {"open", on_open},           {"exec", on_exec},           {"import", on_import},
    {"os.listdir", on_listing},  {"os.scandir", on_listing},  {"ctypes.dlopen", on_load_library},
    {"sqlite3.connect", on_load_library},
};

// False, with OSError set, when Python must make do with the source: that is what its loaders and pytest's do when they cannot
// open a .pyc. Also while nothing is recorded, since tests import, too.
bool may_open(PyObject* args) {
  if (PyErr_Occurred() != nullptr || opens_for_writing(item(args, 1), item(args, 2))) return true;
  PyObject* const path = item(args, 0);
  if (path == nullptr || !PyUnicode_Check(path) || !is_doubtful_bytecode(path_argument(path))) return true;
  errno = ENOENT;
  PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
  return false;
}

int audit_hook(const char* event, PyObject* args, void* /*user_data*/) {
  if (std::strcmp(event, "open") == 0 && !may_open(args)) return -1;
  InputRecorder& recorder = InputRecorder::instance();
  if (!recorder.recording()) return 0;
  for (const AuditRule& rule : k_rules) {
    if (std::strcmp(event, rule.event) != 0) continue;
    PyObject* type = nullptr;
    PyObject* value = nullptr;
    PyObject* traceback = nullptr;
    PyErr_Fetch(&type, &value, &traceback);   // an audit hook must not disturb an exception on its way
    rule.handle(recorder, args);
    PyErr_Restore(type, value, traceback);
    break;
  }
  return 0;
}

}  // namespace

std::string path_argument(PyObject* argument) {
  PyObject* type = nullptr;
  PyObject* value = nullptr;
  PyObject* traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  std::string path = text_of_path(argument);
  PyErr_Restore(type, value, traceback);
  return path;
}

InputRecorder& InputRecorder::instance() noexcept {
  static InputRecorder recorder;
  return recorder;
}

void InputRecorder::start() {
  if (!hooked_) hooked_ = PySys_AddAuditHook(audit_hook, nullptr) == 0;
  recording_ = true;
}

void InputRecorder::set_root(std::string root) {
  root_ = std::move(root);
  if (!root_.empty() && root_.back() != '/') root_ += '/';
  // What was recorded before the root was known (configuration, root conftest) lies below it more often than not.
  for (core::InputFile& input : inputs_) {
    if (input.content_hash.empty() && S_ISREG(input.mode) && input.ino != 0 && input.path.starts_with(root_)) {
      input.content_hash = core::hash_file(input.path);
    }
  }
}

std::string InputRecorder::normalise(std::string_view path) const {
  if (path.empty() || path.find('\0') != std::string_view::npos) return {};
  std::string absolute;
  if (path.front() != '/') {
    char cwd[PATH_MAX];
    if (::getcwd(cwd, sizeof cwd) == nullptr) return {};
    absolute.append(cwd).append("/");
    while (path.starts_with("./")) path.remove_prefix(2);
    if (path == ".") path = {};
  }
  absolute.append(path);
  while (absolute.size() > 1 && absolute.back() == '/') absolute.pop_back();
  for (const std::string_view root : k_ignored_roots) {
    if (absolute.starts_with(root)) return {};
  }
  const std::string probe = absolute + '/';
  for (const std::string_view part : k_ignored_parts) {
    if (probe.find(part) != std::string::npos) return {};
  }
  return absolute;
}

void InputRecorder::add_hash(core::InputFile& input, bool listing) const {
  if (!input.content_hash.empty()) return;
  if (listing && S_ISDIR(input.mode)) input.content_hash = core::hash_listing(input.path);
  else if (S_ISREG(input.mode) && !root_.empty() && input.path.starts_with(root_)) input.content_hash = core::hash_file(input.path);
}

void InputRecorder::add(std::string path, bool listing) {
  const auto [position, fresh] = seen_.try_emplace(path, inputs_.size());
  if (!fresh && inputs_[position->second].ino == 0 && inputs_[position->second].mode != 0) {
    // Only its kind was asked for before: that stays an input of its own, since a checkpoint in between has read no content.
    position->second = inputs_.size();
  } else if (!fresh) {
    // Looked for and not there, then read: it came to be meanwhile (a generated file). What was read is what counts.
    core::InputFile& known = inputs_[position->second];
    if (known.ino == 0) known = core::identify(known.path);
    add_hash(known, listing);
    return;
  }
  core::InputFile input = core::identify(path);
  add_hash(input, listing);
  inputs_.push_back(std::move(input));
}

std::optional<std::size_t> InputRecorder::covered_by(const std::string& absent) const {
  struct stat info {};
  if (::lstat(absent.c_str(), &info) == 0) return std::nullopt;      // it came to be meanwhile: the daemon must see that
  std::string child = absent;
  std::optional<std::size_t> file;
  for (;;) {
    const std::size_t slash = child.rfind('/');
    if (slash == std::string::npos || slash == 0) return std::nullopt;
    const std::string parent = child.substr(0, slash);
    if (::stat(parent.c_str(), &info) != 0) {
      child = parent;                                          // the topmost absent folder is what would appear
      continue;
    }
    if (!S_ISDIR(info.st_mode)) {
      // "test_a.py/pyvenv.cfg": the file would have to become a folder, which the listing that it is in would tell, too. That comes
      // first: the listing has been needed for longer than what is in the file.
      child = parent;
      if (const auto seen = seen_.find(parent); seen != seen_.end()) file = seen->second;
      continue;
    }
    const auto listed = seen_.find(parent);
    const bool tells = listed != seen_.end() && S_ISDIR(inputs_[listed->second].mode) && !inputs_[listed->second].content_hash.empty() &&
                       !core::is_ignored_entry(std::string_view(child).substr(slash + 1));
    return tells ? std::optional(listed->second) : file;
  }
}

InputRecorder::Recorded InputRecorder::inputs() const {
  std::vector<std::uint32_t> first(inputs_.size());
  std::iota(first.begin(), first.end(), 0u);
  std::vector<std::uint32_t> order;
  order.reserve(inputs_.size());
  for (std::uint32_t i = 0; i < inputs_.size(); ++i) {
    const auto cover = inputs_[i].mode == 0 ? covered_by(inputs_[i].path) : std::nullopt;
    if (cover) first[*cover] = std::min(first[*cover], i);
    else order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return first[a] < first[b]; });
  Recorded out;
  out.inputs.reserve(order.size());
  for (const std::uint32_t i : order) {
    out.inputs.push_back(inputs_[i]);
    out.marks.push_back(first[i]);
  }
  return out;
}

void InputRecorder::add_file(std::string_view path) {
  if (std::string absolute = normalise(path); !absolute.empty()) add(std::move(absolute), false);
}

void InputRecorder::add_directory(std::string_view path) {
  if (std::string absolute = normalise(path); !absolute.empty()) add(std::move(absolute), true);
}

void InputRecorder::add_looked_at(std::string_view path, bool kind_only) {
  std::string absolute = normalise(path);
  // pytest asks of each entry of a folder what it is, also of a swap file that is there while a file is edited.
  if (absolute.empty() || core::is_passing_entry(std::string_view(absolute).substr(absolute.rfind('/') + 1))) return;
  struct stat info {};
  const bool exists = ::stat(absolute.c_str(), &info) == 0;
  if (exists && !S_ISREG(info.st_mode)) return;
  if (!exists || !kind_only) {
    if (!seen_.contains(absolute) || exists) add(std::move(absolute), false);
    return;
  }
  const auto [position, fresh] = seen_.try_emplace(std::move(absolute), inputs_.size());
  if (!fresh) return;
  core::InputFile input;
  input.path = position->first;
  input.mode = info.st_mode & S_IFMT;   // no inode: the kind is all that counts
  inputs_.push_back(std::move(input));
}

}  // namespace pf::exec
