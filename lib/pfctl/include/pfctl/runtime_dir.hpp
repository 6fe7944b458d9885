// The private folder that daemons' sockets, locks, logs and notes live in, and the names inside it. LIFECYCLE.md has the
// table of files. Nothing is trusted for its name: the folder is opened once and checked by descriptor, and everything in
// it is reached through that descriptor.
#pragma once

#include <string>
#include <vector>

#include <sys/un.h>

#include <pfcore/messages.hpp>
#include <pfcore/result.hpp>
#include <pfcore/unique_fd.hpp>

namespace pf::ctl {

struct RuntimeDir {
  core::UniqueFd fd;        // opened for reading: it can be listed, and files are made below it
  std::string path;
};

// PFAST_RUNTIME_DIR, else XDG_RUNTIME_DIR/pfast, else /tmp/pfast-<uid>; made with mode 0700 when it is not there.
// Errors: refused (a symbolic link, no folder, another owner, open to others), system (read-only, cannot be made). Each
// names path, owner, mode and the command that mends it.
[[nodiscard]] core::Result<RuntimeDir> open_runtime_dir(const core::Environment& env);

// Where one daemon lives: a folder and the names of its files there. Movable; owns a descriptor of the folder.
struct Address {
  core::UniqueFd dir;
  std::string dir_path;
  std::string socket;       // names inside the folder
  std::string life_lock;
  std::string spawn_lock;
  std::string pid;
  std::string log;
  std::string note;         // JSON for `pfast list`: root, interpreter, …
  bool shared_dir = false;  // an explicit address: the folder is the user's business and may be /tmp

  [[nodiscard]] std::string path_of(const std::string& name) const { return dir_path + '/' + name; }
  [[nodiscard]] std::string socket_path() const { return path_of(socket); }
};

// The address that root, interpreter (its executable's path) and user have in common. Errors: system.
[[nodiscard]] core::Result<Address> make_address(const RuntimeDir& dir, const std::string& root, const std::string& interpreter);

// --address A: any socket path; its siblings are named A.lock, A.spawn, A.pid, A.log, A.json.
// Errors: not_found (the folder), invalid_argument (no name, NUL, a name that is too long), system.
[[nodiscard]] core::Result<Address> explicit_address(const std::string& path);

// Whether the folder's path still leads to the folder: it was neither renamed nor removed, nor replaced by a link to it.
[[nodiscard]] bool still_leads_here(const Address& address) noexcept;

// An address with its own descriptor. Errors: system.
[[nodiscard]] core::Result<Address> clone(const Address& address);

// One daemon's traces in the runtime directory: for `pfast list` and `pfast stop --all`.
struct KnownAddress {
  Address address;
  std::string root;         // from the note; empty when there is none
  std::string interpreter;
};
[[nodiscard]] core::Result<std::vector<KnownAddress>> list_addresses(const RuntimeDir& dir);

// Writes the note and the pid file, each by rename. With the life lock held only. Errors: system (a full disk does not
// hinder a daemon: callers may go on).
[[nodiscard]] core::Status write_note(const Address& address, const std::string& root, const std::string& interpreter);
[[nodiscard]] core::Status write_pid(const Address& address, int pid);
// 0 when there is no readable pid file. A hint only: the life lock tells whether a daemon lives.
[[nodiscard]] int read_pid(const Address& address);

// The socket address of a name in the folder of `dir_fd`: /proc/self/fd/<dir_fd>/<name>, which is short whatever the
// folder's path is, and cannot be redirected. Valid as long as dir_fd is open, in this process.
[[nodiscard]] core::Result<struct sockaddr_un> socket_address(int dir_fd, const std::string& name);

// As PFAST_RUNTIME_DIR; for messages and tests.
[[nodiscard]] std::string runtime_dir_path(const core::Environment& env);

}  // namespace pf::ctl
