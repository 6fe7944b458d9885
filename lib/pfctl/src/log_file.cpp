#include <pfctl/log_file.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "text.hpp"

namespace pf::ctl {
namespace {

constexpr int k_append = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

bool disk_is_full_or_read_only(int err) noexcept { return err == ENOSPC || err == EDQUOT || err == EROFS || err == EIO; }

core::Status check_ours(int fd, const std::string& path) {
  struct stat info;
  if (::fstat(fd, &info) != 0) return core::Error::from_errno("look at the log '" + path + "'", errno);
  if (S_ISREG(info.st_mode) && info.st_uid == ::geteuid() && info.st_nlink == 1) return core::ok_status();
  return text::error(core::ErrorCode::refused, "write the log '" + path + "': it is not a regular file of ours alone (" +
                                                   text::owner_and_mode(info) + ", " + std::to_string(info.st_nlink) +
                                                   " names): `rm " + text::shell_word(path) + "`");
}

core::Result<core::UniqueFd> open_null() {
  core::UniqueFd fd(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (!fd) return core::Error::from_errno("open /dev/null", errno);
  return fd;
}

}  // namespace

core::Result<core::UniqueFd> open_log(const Address& address) {
  const std::string path = address.path_of(address.log);
  const int dir_fd = address.dir.get();
  for (bool rotated = false;; rotated = true) {
    core::UniqueFd fd(::openat(dir_fd, address.log.c_str(), k_append, 0600));
    if (!fd && disk_is_full_or_read_only(errno)) return open_null();
    if (!fd) {
      const int err = errno;
      const std::string found = err == ELOOP || err == EACCES ? text::in_the_way(dir_fd, address.log) : std::string();
      if (found.empty()) return core::Error::from_errno("open the log '" + path + "'", err);
      return text::error(core::ErrorCode::refused, "write the log '" + path + "': " + found + ": `rm " + text::shell_word(path) + "`");
    }
    if (auto ours = check_ours(fd.get(), path); !ours) return std::move(ours).error();
    struct stat info;
    const bool large = ::fstat(fd.get(), &info) == 0 && info.st_size > static_cast<off_t>(k_log_rotate_bytes);
    if (rotated || !large) {
      (void)::fchmod(fd.get(), 0600);
      return fd;
    }
    (void)::renameat(dir_fd, address.log.c_str(), dir_fd, (address.log + ".1").c_str());
  }
}

std::string log_tail(const Address& address, std::size_t max_bytes) {
  const core::UniqueFd fd(
      ::openat(address.dir.get(), address.log.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  struct stat info;
  if (!fd || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  const off_t start = info.st_size > static_cast<off_t>(max_bytes) ? info.st_size - static_cast<off_t>(max_bytes) : 0;
  std::string out(static_cast<std::size_t>(info.st_size - start), '\0');
  const ssize_t got = ::pread(fd.get(), out.data(), out.size(), start);
  out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  if (start > 0) out.erase(0, out.find('\n') + 1);   // half a line; npos + 1 erases nothing
  return out;
}

}  // namespace pf::ctl
