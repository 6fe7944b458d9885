// Small pieces of error texts. Private to pfctl.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <pfcore/result.hpp>

namespace pf::ctl::text {

inline core::Error error(core::ErrorCode code, std::string message) { return {code, std::move(message), 0, 0}; }

// " (RLIMIT_NOFILE is 1024)" when the error says that a limit was met.
inline std::string limit_in_force(int err) {
  const bool processes = err == EAGAIN;
  struct rlimit limit;
  if ((!processes && err != EMFILE) || ::getrlimit(processes ? RLIMIT_NPROC : RLIMIT_NOFILE, &limit) != 0) return {};
  if (limit.rlim_cur == RLIM_INFINITY) return {};
  return std::string(processes ? " (RLIMIT_NPROC is " : " (RLIMIT_NOFILE is ") + std::to_string(limit.rlim_cur) + ")";
}

// As Error::from_errno, with the limit that was met.
inline core::Error system_error(std::string_view what, int err) {
  core::Error error = core::Error::from_errno(what, err);
  error.message += limit_in_force(err);
  return error;
}

// As a shell takes it: a command in an error text is meant to be pasted.
inline std::string shell_word(std::string_view word) {
  constexpr std::string_view k_plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%";
  if (!word.empty() && word.find_first_not_of(k_plain) == word.npos) return std::string(word);
  std::string out = "'";
  for (const char c : word) {
    if (c == '\'') out += "'\\''";
    else out += c;
  }
  return out += '\'';
}

inline std::string octal(mode_t mode) {
  std::array<char, 16> digits;
  std::snprintf(digits.data(), digits.size(), "%04o", static_cast<unsigned>(mode & 07777));
  return digits.data();
}

// "owner uid 1000, mode 0755"
inline std::string owner_and_mode(const struct stat& info) {
  return "owner uid " + std::to_string(info.st_uid) + ", mode " + octal(info.st_mode);
}

// Why a file that should be ours could not be opened: what lies there instead. In a sticky folder the kernel refuses links and
// files of others before O_NOFOLLOW does. Empty when it is neither.
inline std::string in_the_way(int dir_fd, const std::string& name) {
  struct stat info;
  if (::fstatat(dir_fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return {};
  if (S_ISLNK(info.st_mode)) return "it is a symbolic link (owner uid " + std::to_string(info.st_uid) + ")";
  return info.st_uid != ::geteuid() ? "it is somebody else's (" + owner_and_mode(info) + ")" : std::string();
}

inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view k_blanks = " \t\r\n\v\f";
  const std::size_t first = text.find_first_not_of(k_blanks);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(k_blanks) - first + 1);
}

// The parts between any of the separators, trimmed, empty ones left out.
inline std::vector<std::string> split(std::string_view text, std::string_view separators) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(separators), text.size());
    if (const std::string_view part = trimmed(text.substr(0, end)); !part.empty()) out.emplace_back(part);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace pf::ctl::text
