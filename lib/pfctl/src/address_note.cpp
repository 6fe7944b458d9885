// The notes beside a socket: <stem>.json for `pfast list` and other tools, <stem>.pid for people.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <memory>
#include <utility>

#include <pfctl/runtime_dir.hpp>

#include "address_note.hpp"
#include "files.hpp"
#include "json_text.hpp"
#include "text.hpp"

namespace pf::ctl {
namespace {

constexpr std::size_t k_max_note_bytes = 64 * 1024;
constexpr std::string_view k_note_suffix = ".json";

core::Status write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return core::Error::from_errno("write '" + path + "'", errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return core::ok_status();
}

// Readers see the old file or the new one. One writer: the holder of the life lock.
core::Status replace_file(const Address& address, const std::string& name, std::string_view content) {
  const std::string path = address.path_of(name);
  const std::string fresh = name + ".new";
  (void)::unlinkat(address.dir.get(), fresh.c_str(), 0);
  const core::UniqueFd fd(::openat(address.dir.get(), fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return core::Error::from_errno("create '" + address.path_of(fresh) + "'", errno);
  auto status = write_all(fd.get(), content, path);
  if (status && ::renameat(address.dir.get(), fresh.c_str(), address.dir.get(), name.c_str()) != 0) {
    status = core::Error::from_errno("replace '" + path + "'", errno);
  }
  if (!status) (void)::unlinkat(address.dir.get(), fresh.c_str(), 0);
  return status;
}

struct CloseDir {
  void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};

std::vector<std::string> stems_with_notes(int dir_fd) {
  std::vector<std::string> stems;
  // A descriptor of its own: reading moves the position.
  const int fd = ::openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, CloseDir> dir(fd >= 0 ? ::fdopendir(fd) : nullptr);
  if (!dir) return stems;
  while (const struct dirent* entry = ::readdir(dir.get())) {
    const std::string_view name(entry->d_name);
    if (name.ends_with(k_note_suffix) && name.size() > k_note_suffix.size()) {
      stems.emplace_back(name.substr(0, name.size() - k_note_suffix.size()));
    }
  }
  std::sort(stems.begin(), stems.end());
  return stems;
}

}  // namespace

core::Status write_note(const Address& address, const std::string& root, const std::string& interpreter) {
  const std::string content = "{\"version\": 1, \"pid\": " + std::to_string(::getpid()) + ", \"root\": " + json::quoted(root) +
                              ", \"interpreter\": " + json::quoted(interpreter) + ", \"address\": " +
                              json::quoted(address.socket_path()) + "}\n";
  return replace_file(address, address.note, content);
}

core::Status write_pid(const Address& address, int pid) {
  return replace_file(address, address.pid, std::to_string(pid) + "\n");
}

int read_pid(const Address& address) {
  const auto content = files::read(address.dir.get(), address.pid.c_str(), 32, O_NOFOLLOW);
  if (!content) return 0;
  int pid = 0;
  const auto [end, err] = std::from_chars(content->data(), content->data() + content->size(), pid);
  return err == std::errc() && pid > 0 && end != content->data() ? pid : 0;
}

core::Result<std::vector<KnownAddress>> list_addresses(const RuntimeDir& dir) {
  std::vector<KnownAddress> known;
  for (const std::string& stem : stems_with_notes(dir.fd.get())) {
    core::UniqueFd fd(::fcntl(dir.fd.get(), F_DUPFD_CLOEXEC, 3));
    if (!fd) return core::Error::from_errno("duplicate the runtime directory's descriptor", errno);
    KnownAddress entry;
    entry.address = private_address(std::move(fd), dir.path, stem);
    const auto note = files::read(dir.fd.get(), entry.address.note.c_str(), k_max_note_bytes, O_NOFOLLOW);
    entry.root = json::text_field(note.value_or(""), "root");
    entry.interpreter = json::text_field(note.value_or(""), "interpreter");
    known.push_back(std::move(entry));
  }
  return known;
}

}  // namespace pf::ctl
