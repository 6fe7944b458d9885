// Reading small files whole, and opening our own files in folders that others may write to. Private to pfctl.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <string_view>

#include <pfcore/unique_fd.hpp>

namespace pf::ctl::files {

// At most max_bytes of a regular file or /proc entry; nullopt with errno set when it cannot be opened or read.
inline std::optional<std::string> read(int dir_fd, const char* path, std::size_t max_bytes, int flags = 0) {
  const core::UniqueFd fd(::openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags));
  if (!fd) return std::nullopt;
  std::string out;
  std::array<char, 16384> buffer;
  while (out.size() < max_bytes) {
    const ssize_t got = ::read(fd.get(), buffer.data(), std::min(buffer.size(), max_bytes - out.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    out.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return out;
}

inline std::optional<std::string> read(const std::string& path, std::size_t max_bytes = 1u << 20) {
  return read(AT_FDCWD, path.c_str(), max_bytes);
}

inline bool exists(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0;
}

inline bool is_folder(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

inline bool is_program(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

// "" for "/x", "/" too; no slash at the end otherwise.
inline std::string parent(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == path.npos) return {};
  return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

inline std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

}  // namespace pf::ctl::files
