#include <pfctl/history_store.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <pfcore/unique_fd.hpp>

#include "files.hpp"

namespace pf::ctl {
namespace {

constexpr Milliseconds k_soon{500};
constexpr std::size_t k_most_bytes = 64u << 20;

core::Status write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return core::Error::from_errno("write it", errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return core::ok_status();
}

void sync_folder(const std::string& path) {
  const core::UniqueFd folder(::open(files::parent(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.valid()) (void)::fsync(folder.get());
}

constexpr int k_busy = EWOULDBLOCK;

// What the open file is still called. Another daemon may have renamed it between open and lock: then it is the history itself.
bool is_still_at(const std::string& path, int fd) {
  struct stat there;
  struct stat own;
  return ::fstat(fd, &own) == 0 && ::lstat(path.c_str(), &there) == 0 && own.st_dev == there.st_dev && own.st_ino == there.st_ino;
}

// Nobody else may be at it: a lock on the file that is going to take the place of the old one. k_busy: somebody is.
core::Status replace_file(const std::string& path, std::string_view bytes) {
  const std::string fresh = path + ".new";
  core::UniqueFd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (!file.valid()) return core::Error::from_errno("open '" + fresh + "'", errno);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return core::Error::from_errno("lock '" + fresh + "'", errno);
  if (!is_still_at(fresh, file.get())) return core::Error::from_errno("lock '" + fresh + "'", k_busy);
  core::Status status = core::ok_status();
  if (::ftruncate(file.get(), 0) != 0) status = core::Error::from_errno("empty '" + fresh + "'", errno);
  if (status) status = write_all(file.get(), bytes);
  if (status && ::fsync(file.get()) != 0) status = core::Error::from_errno("sync it", errno);
  if (status && ::rename(fresh.c_str(), path.c_str()) != 0) status = core::Error::from_errno("rename '" + fresh + "'", errno);
  if (!status) (void)::unlink(fresh.c_str());
  if (status) sync_folder(path);
  return status;
}

}  // namespace

// What goes to the other thread and comes back.
struct HistoryStore::Writing {
  std::string path;
  std::string bytes;
  core::Status status = core::ok_status();
  Identity identity;
};

HistoryStore::HistoryStore(Loop& loop, DaemonLog& log, std::string path)
    : loop_(loop), log_(log), path_(std::move(path)), timer_(loop, [this] { save(); }), alive_(std::make_shared<HistoryStore*>(this)) {}

HistoryStore::~HistoryStore() {
  *alive_ = nullptr;
  if (!is_dirty_) return;
  refresh();
  Writing job{path_, history_.encode(), core::ok_status(), {}};
  write(job);
  if (!job.status) log_.line("history '" + path_ + "' is not written: " + job.status.error().message);
}

HistoryStore::Identity HistoryStore::identify(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return {};
  return {static_cast<std::uint64_t>(info.st_dev), static_cast<std::uint64_t>(info.st_ino), static_cast<std::uint64_t>(info.st_size),
          static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec};
}

void HistoryStore::write(Writing& job) {
  job.status = replace_file(job.path, job.bytes);
  job.identity = identify(job.path);
}

// Between a write of our own and the news of it the file may be read once in vain.
void HistoryStore::refresh() {
  const Identity identity = identify(path_);
  if (identity == known_) return;
  known_ = identity;
  if (identity == Identity{}) return;   // removed: what is known here stays
  const auto bytes = files::read(AT_FDCWD, path_.c_str(), k_most_bytes, O_NOFOLLOW);
  auto read = bytes ? History::decode(*bytes) : core::Result<History>(core::Error::from_errno("read the history", errno));
  if (!read) {
    log_.line("history '" + path_ + "' is not used: " + read.error().message);
    return;
  }
  history_ = history_.merged_into(std::move(*read));
}

History& HistoryStore::history() {
  refresh();
  return history_;
}

void HistoryStore::touch() {
  is_dirty_ = true;
  if (!timer_.active()) timer_.start(k_soon);
}

void HistoryStore::save() {
  if (!is_dirty_) return;
  if (is_writing_) {
    timer_.start(k_soon);
    return;
  }
  refresh();
  is_dirty_ = false;
  is_writing_ = true;
  auto job = std::make_shared<Writing>(Writing{path_, history_.encode(), core::ok_status(), {}});
  loop_.queue_work([job] { write(*job); },
                   [job, alive = alive_] {
                     if (*alive != nullptr) (*alive)->on_written(*job);
                   });
}

void HistoryStore::on_written(const Writing& job) {
  is_writing_ = false;
  if (job.status) {
    known_ = job.identity;
    if (!is_dirty_) history_.settle();   // what is not in the file stays ours, whatever others write meanwhile
  } else if (job.status.error().sys_errno == k_busy) {
    touch();
  } else {
    log_.line("history '" + path_ + "' is not written: " + job.status.error().message);
  }
}

HistoryStore* HistoryStores::find(const std::string& path) {
  if (path.empty()) return nullptr;
  const auto found = std::find_if(stores_.begin(), stores_.end(), [&](const auto& store) { return store->path() == path; });
  if (found != stores_.end()) std::rotate(found, found + 1, stores_.end());
  else stores_.push_back(std::make_unique<HistoryStore>(loop_, log_, path));
  if (stores_.size() > k_most) stores_.erase(stores_.begin());
  return stores_.back().get();
}

}  // namespace pf::ctl
