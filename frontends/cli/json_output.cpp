#include "json_output.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include <nlohmann/json.hpp>

#include <pfcore/unique_fd.hpp>

namespace pf::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& json, int indent = -1) { return json.dump(indent, ' ', false, Json::error_handler_t::replace); }

core::Error write_error(const std::string& path, int err) { return core::Error::from_errno("write '" + path + "'", err); }

// Errors: errno.
int write_file(const std::string& path, int flags, std::string_view text) {
  const core::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0666));
  if (!fd) return errno;
  while (!text.empty()) {
    const ssize_t written = ::write(fd.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

// Where the file itself is, so that a symbolic link stays one.
std::string behind_links(const std::string& path) {
  char target[PATH_MAX];
  return ::realpath(path.c_str(), target) != nullptr ? std::string(target) : path;
}

}  // namespace

core::Status write_dump(const std::string& path, const Outcomes& outcomes) { return write_text(path, text_of(Json(outcomes), 0) + "\n"); }

core::Status write_text(const std::string& path, const std::string& text) {
  if (path == "-") {
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
    return written ? core::ok_status() : core::Status(write_error("stdout", errno));
  }
  const std::string target = behind_links(path);
  struct stat info {};
  if (::stat(target.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    const int failure = write_file(target, 0, text);
    return failure == 0 ? core::ok_status() : core::Status(write_error(path, failure));
  }
  const std::string temporary = target + '.' + std::to_string(::getpid()) + ".tmp";
  int failure = write_file(temporary, O_CREAT | O_TRUNC | O_NOFOLLOW, text);
  if (failure == 0 && ::rename(temporary.c_str(), target.c_str()) != 0) failure = errno;
  if (failure == 0) return core::ok_status();
  ::unlink(temporary.c_str());
  return write_error(path, failure);
}

}  // namespace pf::cli
