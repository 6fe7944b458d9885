// Who started the threads and opened the sockets that are there when collection is over: neither is a forked child's own. An
// audit hook notes the first frame outside of the standard library; native code that asks nobody is not seen.
//
// One recorder per process. Every call needs the GIL.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <pfcore/messages.hpp>

struct _object;                                   // PyObject, without Python.h

namespace pf::exec {

// A line of Python code; empty: not known.
struct Origin {
  std::string module;
  std::string location;                           // "path:line"
};

class OriginRecorder {
 public:
  static OriginRecorder& instance() noexcept;

  // Installs the audit hook (once per process) and starts to record. Code in `standard_library` is passed over, except in its
  // site-packages.
  void start(std::string standard_library);
  // Forgets everything.
  void stop() noexcept;
  [[nodiscard]] bool recording() const noexcept { return recording_; }

  // The hook's: a thread is about to start, a socket object comes to be, an open socket was connected or bound.
  void note_thread(_object* function);
  void note_socket(_object* socket);
  void note_open_socket(_object* socket);
  void note_database(std::string path);

  [[nodiscard]] Origin of_thread(_object* thread) const;
  // Open now, but for the daemon's channel, in the order of their numbers.
  [[nodiscard]] std::vector<core::ImageSocket> open_sockets() const;

 private:
  using Seen = std::vector<std::pair<_object*, Origin>>;   // weak references, owned

  [[nodiscard]] Origin current() const;
  void remember(Seen& seen, _object* object) const;

  bool recording_ = false;
  bool hooked_ = false;
  std::string standard_library_;
  Seen threads_;
  Seen sockets_;
  std::unordered_map<std::string, Origin> by_name_;        // "socket:[1234]", or a database's path
};

}  // namespace pf::exec
