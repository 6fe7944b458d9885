#include <pfctl/runtime_dir.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <utility>

#include <pfctl/environment.hpp>

#include "address_note.hpp"
#include "files.hpp"
#include "hash.hpp"
#include "text.hpp"

namespace pf::ctl {
namespace {

constexpr std::size_t k_max_name = 240;   // NAME_MAX less the longest suffix

struct Place {
  std::string path;
  std::string_view named_by;
};

std::string absolute(std::string_view path) {
  std::string out;
  if (!path.starts_with('/')) {
    std::array<char, PATH_MAX> cwd;
    if (::getcwd(cwd.data(), cwd.size()) != nullptr) out = std::string(cwd.data()) + '/';
  }
  out += path;
  while (out.size() > 1 && out.back() == '/') out.pop_back();
  return out;
}

// Inherited over sudo or su, XDG_RUNTIME_DIR names somebody else's folder, where root would leave one that its owner cannot
// use; without a session, one that is not there. Then it is as if it were not set.
bool is_own_folder(const std::string& path) {
  struct stat info;
  return path.starts_with('/') && ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == ::geteuid();
}

Place place(const core::Environment& env) {
  if (const auto own = find_env_text(env, "PFAST_RUNTIME_DIR")) return {absolute(*own), "PFAST_RUNTIME_DIR"};
  if (const auto xdg = find_env_text(env, "XDG_RUNTIME_DIR"); xdg && is_own_folder(std::string(*xdg))) {
    return {absolute(*xdg) + "/pfast", "XDG_RUNTIME_DIR"};
  }
  return {"/tmp/pfast-" + std::to_string(::geteuid()), "the default"};
}

core::Error refusal(const Place& place, const std::string& what, const std::string& mend) {
  return text::error(core::ErrorCode::refused, "use the runtime directory '" + place.path + "' (" + std::string(place.named_by) +
                                                   "): " + what + "; " + mend);
}

core::Error cannot_open(const Place& place, int err) {
  const std::string word = text::shell_word(place.path);
  struct stat info {};
  if (::lstat(place.path.c_str(), &info) == 0 && !S_ISDIR(info.st_mode)) {
    const char* kind = S_ISLNK(info.st_mode) ? "a symbolic link" : "no directory";
    return refusal(place, std::string("it is ") + kind + " (" + text::owner_and_mode(info) + ")",
                   "run `rm " + word + "` or set PFAST_RUNTIME_DIR to a private directory");
  }
  if (err == ENOENT) return refusal(place, std::strerror(err), "run `mkdir -p -m 700 " + word + "`");
  if (info.st_mode != 0) {
    return refusal(place, std::string(std::strerror(err)) + " (" + text::owner_and_mode(info) + ")",
                   "run `chmod 700 " + word + "` or set PFAST_RUNTIME_DIR to a private directory");
  }
  return refusal(place, std::strerror(err), "set PFAST_RUNTIME_DIR to a directory that you can write to");
}

// By descriptor: what the name means by now is of no interest.
core::Status check_private(const Place& place, int fd) {
  struct stat info;
  if (::fstat(fd, &info) != 0) return core::Error::from_errno("look at the runtime directory '" + place.path + "'", errno);
  const std::string seen = text::owner_and_mode(info);
  const std::string word = text::shell_word(place.path);
  if (info.st_uid != ::geteuid()) {
    return refusal(place, "it belongs to somebody else (" + seen + ", and this is uid " + std::to_string(::geteuid()) + ")",
                   "run `sudo chown " + std::to_string(::geteuid()) + ' ' + word + "` or set PFAST_RUNTIME_DIR to a private directory");
  }
  if ((info.st_mode & 077) != 0) return refusal(place, "others have access to it (" + seen + ")", "run `chmod 700 " + word + "`");
  if ((info.st_mode & 0700) != 0700) return refusal(place, "its owner has not all rights (" + seen + ")", "run `chmod 700 " + word + "`");
  if (::faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0) {
    return refusal(place, std::string(std::strerror(errno)) + " (" + seen + ")",
                   "set PFAST_RUNTIME_DIR to a directory on a file system that can be written to");
  }
  if (info.st_nlink == 0) return refusal(place, "it was removed just now (" + seen + ")", "run `mkdir -p -m 700 " + word + "`");
  return core::ok_status();
}

Address named(core::UniqueFd dir, std::string dir_path, const std::string& stem, std::string socket) {
  Address address;
  address.dir = std::move(dir);
  address.dir_path = std::move(dir_path);
  address.socket = std::move(socket);
  address.life_lock = stem + ".lock";
  address.spawn_lock = stem + ".spawn";
  address.pid = stem + ".pid";
  address.log = stem + ".log";
  address.note = stem + ".json";
  return address;
}

core::Result<core::UniqueFd> duplicate(int fd) {
  core::UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) return core::Error::from_errno("duplicate the runtime directory's descriptor", errno);
  return copy;
}

}  // namespace

std::string runtime_dir_path(const core::Environment& env) { return place(env).path; }

core::Result<RuntimeDir> open_runtime_dir(const core::Environment& env) {
  const Place where = place(env);
  const bool made = ::mkdir(where.path.c_str(), 0700) == 0;
  const int make_error = made ? 0 : errno;
  core::UniqueFd fd(::open(where.path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return cannot_open(where, make_error != 0 && make_error != EEXIST ? make_error : errno);
  if (made) (void)::fchmod(fd.get(), 0700);   // whatever the umask is; a failure shows in the check
  if (auto checked = check_private(where, fd.get()); !checked) return std::move(checked).error();
  return RuntimeDir{std::move(fd), where.path};
}

Address private_address(core::UniqueFd dir, const std::string& dir_path, const std::string& stem) {
  return named(std::move(dir), dir_path, stem, stem + ".sock");
}

core::Result<Address> make_address(const RuntimeDir& dir, const std::string& root, const std::string& interpreter) {
  auto fd = duplicate(dir.fd.get());
  if (!fd) return std::move(fd).error();
  std::string key = root;
  key.append(1, '\0').append(interpreter).append(1, '\0').append(std::to_string(::geteuid()));
  return private_address(std::move(*fd), dir.path, hash::hex64(key));
}

core::Result<Address> explicit_address(const std::string& path) {
  const std::string whole = absolute(path);
  const std::string name(files::base_name(whole));
  if (path.empty() || path.back() == '/' || path.find('\0') != path.npos || name == "." || name == ".." || name.size() > k_max_name) {
    return text::error(core::ErrorCode::invalid_argument, "use '" + path + "' as an address: it is no path of a socket");
  }
  const std::string folder = files::parent(whole);
  core::UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd && errno == ENOENT) {
    return text::error(core::ErrorCode::not_found, "open the folder of the address '" + path + "': there is no '" + folder +
                                                       "': run `mkdir -p " + text::shell_word(folder) + "`");
  }
  if (!fd) return core::Error::from_errno("open the folder of the address '" + path + "'", errno);
  Address address = named(std::move(fd), folder, name, name);
  address.shared_dir = true;
  return address;
}

bool still_leads_here(const Address& address) noexcept {
  struct stat held;
  struct stat named;
  // A link on the way to an explicit address is the user's business.
  const int flags = address.shared_dir ? 0 : AT_SYMLINK_NOFOLLOW;
  return ::fstat(address.dir.get(), &held) == 0 && ::fstatat(AT_FDCWD, address.dir_path.c_str(), &named, flags) == 0 &&
         held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

core::Result<Address> clone(const Address& address) {
  auto fd = duplicate(address.dir.get());
  if (!fd) return std::move(fd).error();
  Address copy;
  copy.dir = std::move(*fd);
  copy.dir_path = address.dir_path;
  copy.socket = address.socket;
  copy.life_lock = address.life_lock;
  copy.spawn_lock = address.spawn_lock;
  copy.pid = address.pid;
  copy.log = address.log;
  copy.note = address.note;
  copy.shared_dir = address.shared_dir;
  return copy;
}

core::Result<struct sockaddr_un> socket_address(int dir_fd, const std::string& name) {
  struct sockaddr_un address {};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(dir_fd) + (name.empty() ? "" : "/" + name);
  if (path.size() >= sizeof address.sun_path) {
    return text::error(core::ErrorCode::invalid_argument, "name the socket '" + name + "': the name is too long");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

}  // namespace pf::ctl
