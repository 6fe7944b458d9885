#include <pfctl/promotion.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include <pfctl/v1_client.hpp>

#include "text.hpp"

namespace pf::ctl {
namespace {

using core::ErrorCode;
using std::chrono::milliseconds;

constexpr milliseconds k_spawn_lock{5000};
constexpr milliseconds k_take_over{10000};
constexpr milliseconds k_last_run{30000};      // of the predecessor's daemon; as long as its own watcher waits

core::Error refusal(const std::string& path, const std::string& why) {
  return text::error(ErrorCode::refused, "move to '" + path + "': " + why);
}

core::Status check_folder(const Address& from, const Address& to) {
  struct stat here;
  struct stat there;
  if (::fstat(from.dir.get(), &here) != 0 || ::fstat(to.dir.get(), &there) != 0) return text::system_error("look at '" + to.dir_path + "'", errno);
  if (here.st_dev != there.st_dev || here.st_ino != there.st_ino) {
    return refusal(to.socket_path(), "it is in another folder than '" + from.socket_path() + "'");
  }
  const std::string seen = text::owner_and_mode(there);
  if (there.st_uid != ::geteuid() && there.st_uid != 0) return refusal(to.socket_path(), "its folder is somebody else's (" + seen + ")");
  // In a folder like /tmp nobody but us can take our names away.
  if ((there.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (there.st_mode & S_ISVTX) == 0) {
    return refusal(to.socket_path(), "others may write to its folder (" + seen + ")");
  }
  return core::ok_status();
}

core::Status check_name(const Address& to) {
  struct stat info;
  if (::fstatat(to.dir.get(), to.socket.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? core::ok_status() : core::Status(text::system_error("look at '" + to.socket_path() + "'", errno));
  }
  const std::string seen = text::owner_and_mode(info);
  if (!S_ISSOCK(info.st_mode)) return refusal(to.socket_path(), "what lies there is no socket (" + seen + ")");
  if (info.st_uid != ::geteuid()) return refusal(to.socket_path(), "that socket is somebody else's (" + seen + ")");
  if ((info.st_mode & S_IWOTH) != 0) return refusal(to.socket_path(), "everybody may connect to that socket (" + seen + ")");
  return core::ok_status();
}

}  // namespace

core::Result<Address> promotion_target(const Address& from, const std::string& path) {
  if (!path.starts_with('/')) return refusal(path, "it is no absolute path");
  auto to = explicit_address(path);
  if (!to) return std::move(to).error();
  if (auto checked = check_folder(from, *to); !checked) return std::move(checked).error();
  if (to->socket == from.socket) return text::error(ErrorCode::invalid_argument, "move to '" + path + "': the daemon serves there already");
  if (auto checked = check_name(*to); !checked) return std::move(checked).error();
  return to;
}

core::Result<Promotion> prepare_promotion(const Address& from, const std::string& path, const std::function<bool()>& give_up) {
  auto to = promotion_target(from, path);
  if (!to) return std::move(to).error();
  auto spawn_lock = FileLock::lock(to->dir.get(), to->spawn_lock, to->path_of(to->spawn_lock), k_spawn_lock);
  if (!spawn_lock) return std::move(spawn_lock).error();
  auto claim = take_over_address(*to, k_take_over);
  if (!claim) return std::move(claim).error();
  if (!claim->predecessor) {
    if (auto ended = end_v1_daemon(*to, k_last_run, give_up); !ended) return std::move(ended).error();
  }
  return Promotion{std::move(*to), std::move(*claim), std::move(*spawn_lock)};
}

}  // namespace pf::ctl
