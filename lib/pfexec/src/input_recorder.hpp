// What collection depends on: every file that was read, every directory that was listed, every path that was looked for and
// not there. Fed by an audit hook (open, exec, import, listdir, scandir, dlopen) and by a wrapper around os.stat, which
// CPython does not audit. Each path is identified at the moment of its first sight.
//
// One recorder per process; only the main thread's interpreter feeds it. A forked child switches it off.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <pfcore/messages.hpp>

struct _object;                                   // PyObject, without Python.h

namespace pf::exec {

// A str, bytes or os.PathLike argument of a Python call as a path; empty for descriptors, None and what is no path. The
// interpreter's error indicator is left alone.
[[nodiscard]] std::string path_argument(_object* argument);

class InputRecorder {
 public:
  static InputRecorder& instance() noexcept;

  // Installs the audit hook (once per process; CPython cannot remove one) and starts to record.
  void start();
  void stop() noexcept { recording_ = false; }
  [[nodiscard]] bool recording() const noexcept { return recording_; }

  // Content of files below this folder is hashed, so that a touch does not make a generation stale.
  void set_root(std::string root);
  [[nodiscard]] const std::string& root() const noexcept { return root_; }

  void add_file(std::string_view path);
  void add_directory(std::string_view path);
  // The path was looked at by stat: a regular file counts as read (kind_only: as one that must stay a regular file), an absent
  // path as absent, anything else not at all.
  void add_looked_at(std::string_view path, bool kind_only);

  // What was recorded so far, and when: inputs[i] was needed for the first time as path number marks[i] of those seen.
  struct Recorded {
    std::vector<core::InputFile> inputs;
    core::U32List marks;
  };
  // Everything, in the order of that first need. An absent path that could not appear without a recorded listing changing is left
  // out (pytest looks for two files in every folder to tell virtual environments): the listing has been needed since then.
  [[nodiscard]] Recorded inputs() const;
  // Paths that were seen so far.
  [[nodiscard]] std::size_t count() const noexcept { return inputs_.size(); }

 private:
  // Absolute, or nothing when the path cannot matter (pseudo file systems, caches that pytest writes itself).
  [[nodiscard]] std::string normalise(std::string_view path) const;
  void add(std::string path, bool listing);
  // Of a listed folder, and of a file below the root.
  void add_hash(core::InputFile& input, bool listing) const;
  // Index of the input whose change would tell that the absent path has come to be.
  [[nodiscard]] std::optional<std::size_t> covered_by(const std::string& absent) const;

  bool recording_ = false;
  bool hooked_ = false;
  std::string root_;
  std::unordered_map<std::string, std::size_t> seen_;
  std::vector<core::InputFile> inputs_;
};

}  // namespace pf::exec
