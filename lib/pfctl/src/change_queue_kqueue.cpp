#include <fcntl.h>
#include <sys/event.h>
#include <sys/param.h>
#include <sys/resource.h>
#include <sys/stat.h>
#ifndef __linux__
#include <sys/mount.h>
#endif
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "change_queue.hpp"

namespace pf::ctl {
namespace {

#ifdef O_EVTONLY
constexpr int k_to_watch = O_EVTONLY | O_CLOEXEC;    // macOS: a volume with it can still be unmounted
#else
constexpr int k_to_watch = O_RDONLY | O_CLOEXEC;
#endif
#ifdef NOTE_REVOKE
constexpr unsigned k_end = NOTE_DELETE | NOTE_RENAME | NOTE_REVOKE;
#else
constexpr unsigned k_end = NOTE_DELETE | NOTE_RENAME;
#endif
constexpr unsigned k_changes = NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB | NOTE_LINK;

}  // namespace

// One descriptor for every file and folder: kqueue watches what is open.
struct ChangeQueue::State {
  struct Watch {
    core::UniqueFd fd;
    std::string path;
    bool folder = false;
  };
  std::map<int, Watch> watches;                       // by id; an id outlives the descriptor of a file that is replaced
  std::vector<int> replaced;                          // files that are to be opened again, once they are there
  int last_id = 0;

  [[nodiscard]] core::Status subscribe(int queue, int id, Watch& watch) const;
  [[nodiscard]] core::Result<int> add(int queue, const std::string& path, bool folder);
  void open_again(int queue);
};

const bool ChangeQueue::k_folders_tell_of_files = false;

ChangeQueue::ChangeQueue() : state_(std::make_unique<State>()) {}
ChangeQueue::ChangeQueue(ChangeQueue&&) noexcept = default;
ChangeQueue& ChangeQueue::operator=(ChangeQueue&&) noexcept = default;
ChangeQueue::~ChangeQueue() = default;

bool ChangeQueue::tells_of_changes([[maybe_unused]] const std::string& folder) {
#ifdef MNT_LOCAL
  struct statfs info {};
  return ::statfs(folder.c_str(), &info) == 0 && (info.f_flags & MNT_LOCAL) != 0;
#else
  return true;
#endif
}

core::Status ChangeQueue::open() {
  fd_.reset(::kqueue());
  if (!fd_.valid()) return core::Error::from_errno("watch files", errno);
  (void)::fcntl(fd_.get(), F_SETFD, FD_CLOEXEC);
  return core::ok_status();
}

core::Status ChangeQueue::State::subscribe(int queue, int id, Watch& watch) const {
  watch.fd.reset(::open(watch.path.c_str(), k_to_watch | (watch.folder ? O_DIRECTORY : 0)));
  if (!watch.fd.valid()) return core::Error::from_errno("watch " + watch.path + " (ulimit -n)", errno);
  struct kevent wish;
  EV_SET(&wish, static_cast<uintptr_t>(watch.fd.get()), EVFILT_VNODE, EV_ADD | EV_CLEAR, k_changes | k_end, 0,
         reinterpret_cast<void*>(static_cast<std::intptr_t>(id)));
  if (::kevent(queue, &wish, 1, nullptr, 0, nullptr) == 0) return core::ok_status();
  const int error = errno;
  watch.fd.reset();
  return core::Error::from_errno("watch " + watch.path, error);
}

core::Result<int> ChangeQueue::State::add(int queue, const std::string& path, bool folder) {
  // The other half is for what the process is there for.
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && watches.size() >= limit.rlim_cur / 2) {
    return core::Error{core::ErrorCode::refused, "watch " + path + ": more files than half of the descriptors (ulimit -n " +
                                                     std::to_string(limit.rlim_cur) + ")"};
  }
  Watch watch{core::UniqueFd(), path, folder};
  const int id = ++last_id;
  if (auto added = subscribe(queue, id, watch); !added) return std::move(added).error();
  watches.emplace(id, std::move(watch));
  return id;
}

core::Result<int> ChangeQueue::add_folder(const std::string& path) { return state_->add(fd_.get(), path, true); }

core::Result<int> ChangeQueue::add_file(const std::string& path) { return state_->add(fd_.get(), path, false); }

void ChangeQueue::State::open_again(int queue) {
  std::erase_if(replaced, [&](int id) { return subscribe(queue, id, watches.at(id)).ok(); });
}

bool ChangeQueue::read(const std::function<void(const Event&)>& tell) {
  std::array<struct kevent, 128> events;
  const struct timespec now {};
  for (;;) {
    const int got = ::kevent(fd_.get(), nullptr, 0, events.data(), static_cast<int>(events.size()), &now);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    if (got == 0) return true;
    bool came_or_went = false;
    for (const struct kevent& event : std::span(events).first(static_cast<std::size_t>(got))) {
      const int id = static_cast<int>(reinterpret_cast<std::intptr_t>(event.udata));
      const auto found = state_->watches.find(id);
      if (found == state_->watches.end() || found->second.fd.get() != static_cast<int>(event.ident)) continue;   // of one that was replaced
      State::Watch& watch = found->second;
      const bool ended = (event.fflags & k_end) != 0 || (event.flags & EV_ERROR) != 0;
      came_or_went = came_or_went || ended || watch.folder;
      if (ended && !watch.folder) {                   // an atomic save: the path leads to another file now, or soon will
        watch.fd.reset();
        state_->replaced.push_back(id);
      }
      if (ended && watch.folder) tell({id, Event::Kind::ended, {}});
      else tell({id, watch.folder && (event.fflags & NOTE_WRITE) != 0 ? Event::Kind::entries : Event::Kind::changed, {}});
    }
    // Before anybody looks at the files: what happens after that is told.
    if (came_or_went) state_->open_again(fd_.get());
  }
}

core::Result<core::UniqueFd> ChangeQueue::copy_descriptor() const {
  core::UniqueFd copy(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return core::Error::from_errno("watch files", errno);
  return copy;
}

}  // namespace pf::ctl
