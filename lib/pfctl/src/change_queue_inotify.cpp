#include <fcntl.h>
#include <linux/magic.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "change_queue.hpp"

namespace pf::ctl {
namespace {

constexpr std::uint32_t k_comings = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
constexpr std::uint32_t k_changes = IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB;
constexpr std::uint32_t k_own_end = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED;

// Local ones of Linux, whose every change goes through this kernel.
constexpr std::array<long, 8> k_telling_file_systems{EXT4_SUPER_MAGIC,  XFS_SUPER_MAGIC,  BTRFS_SUPER_MAGIC, TMPFS_MAGIC,
                                                     F2FS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, RAMFS_MAGIC, 0x2FC12FC1 /* ZFS */};

ChangeQueue::Event event_of(const struct inotify_event& event, std::string_view name) {
  using Kind = ChangeQueue::Event::Kind;
  if ((event.mask & IN_Q_OVERFLOW) != 0) return {-1, Kind::ended, {}};
  if ((event.mask & k_own_end) != 0) return {event.wd, Kind::ended, {}};
  return {event.wd, (event.mask & k_comings) != 0 ? Kind::entries : Kind::changed, name};
}

}  // namespace

// inotify keeps it all.
struct ChangeQueue::State {};

const bool ChangeQueue::k_folders_tell_of_files = true;

ChangeQueue::ChangeQueue() = default;
ChangeQueue::ChangeQueue(ChangeQueue&&) noexcept = default;
ChangeQueue& ChangeQueue::operator=(ChangeQueue&&) noexcept = default;
ChangeQueue::~ChangeQueue() = default;

bool ChangeQueue::tells_of_changes(const std::string& folder) {
  struct statfs info {};
  if (::statfs(folder.c_str(), &info) != 0) return false;
  return std::find(k_telling_file_systems.begin(), k_telling_file_systems.end(), static_cast<long>(info.f_type)) !=
         k_telling_file_systems.end();
}

core::Status ChangeQueue::open() {
  fd_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd_.valid()) return core::Error::from_errno("watch files (fs.inotify.max_user_instances)", errno);
  return core::ok_status();
}

core::Result<int> ChangeQueue::add_folder(const std::string& path) {
  const int id = ::inotify_add_watch(fd_.get(), path.c_str(), k_comings | k_changes | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
  if (id < 0) return core::Error::from_errno("watch " + path + " (fs.inotify.max_user_watches)", errno);
  return id;
}

core::Result<int> ChangeQueue::add_file(const std::string& path) {
  const int id = ::inotify_add_watch(fd_.get(), path.c_str(), k_changes | IN_DELETE_SELF | IN_MOVE_SELF);
  if (id < 0) return core::Error::from_errno("watch " + path + " (fs.inotify.max_user_watches)", errno);
  return id;
}

bool ChangeQueue::read(const std::function<void(const Event&)>& tell) {
  alignas(struct inotify_event) std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t got = ::read(fd_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return true;
    if (got <= 0) return false;
    for (std::size_t at = 0; at + sizeof(struct inotify_event) <= static_cast<std::size_t>(got);) {
      struct inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* const name = buffer.data() + at + sizeof event;
      tell(event_of(event, {name, event.len > 0 ? ::strnlen(name, event.len) : 0}));
      at += sizeof event + event.len;
    }
  }
}

core::Result<core::UniqueFd> ChangeQueue::copy_descriptor() const {
  core::UniqueFd copy(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return core::Error::from_errno("watch files", errno);
  return copy;
}

}  // namespace pf::ctl
