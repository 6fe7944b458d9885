// Has anything happened to a set of paths since the last look? Asks the kernel (change_queue.hpp) when somebody asks and never in between: an idle
// daemon is not woken by a busy checkout. Whoever wants to be woken polls a copy of the descriptor.
//
// It may only ever say "nothing" when that is certain. A write is in the queue before the write call returns, on the file
// systems that report every change (a list: network and user space file systems are not on it). What the kernel does not tell is
// looked at each time: whether a folder's path still leads to the folder that is watched (renames above it, links, mounts), and
// the paths in unwatched(). It does not see two things: stores into a shared mapping after the file was closed, and a write
// through a second name that a file got, outside of the watched folders, after the watch began.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <pfcore/messages.hpp>
#include <pfcore/result.hpp>
#include <pfcore/unique_fd.hpp>

#include "change_queue.hpp"

namespace pf::ctl {

// Not thread-safe.
class FileWatch {
 public:
  struct Path {
    std::string_view text;       // absolute
    std::size_t name = 0;        // where its last component starts
    bool folder = false;         // its entries count
    bool absent = false;
    bool followed = false;       // a link, or a file with other names: what is done to it elsewhere shall wake whoever polls
  };
  // `by_folder`: indices into `paths`, those of one folder side by side. Errors: system (no instances or watches left),
  // refused (a file system that does not tell of changes; the message names a folder of it).
  [[nodiscard]] static core::Result<FileWatch> start(const std::vector<Path>& paths, const std::vector<std::uint32_t>& by_folder);

  // False: the file system may keep changes to itself (network and user space ones).
  [[nodiscard]] static bool tells_of_changes(const std::string& folder);

  enum class News : std::uint8_t { none, some, lost };
  // none: nothing relevant happened since the last call or since start(). lost: the watch is of no more use (an overflow, a
  // watched folder that went away or was replaced).
  [[nodiscard]] News take_news();
  // Indices of paths that are to be looked at each time: links, files with several names, paths in folders that do not exist.
  [[nodiscard]] const std::vector<std::uint32_t>& unwatched() const noexcept { return unwatched_; }
  [[nodiscard]] std::size_t folders() const noexcept { return folders_.size(); }
  // False: an input's folder was not there. It does not change unseen before it is, and then this watch says nothing of it.
  [[nodiscard]] bool complete() const noexcept { return complete_; }
  // Readable when take_news() may have some. Errors: system.
  [[nodiscard]] core::Result<core::UniqueFd> copy_descriptor() const;

 private:
  struct Folder {
    int id = -1;                          // of the watch
    std::string path;
    std::uint64_t dev = 0;
    std::uint64_t ino = 0;
    bool listed = false;                  // every entry that comes or goes counts
    std::vector<std::uint64_t> names;     // hashes of the names that count, sorted; one too many costs a walk, no more
  };

  FileWatch() = default;
  [[nodiscard]] core::Status follow(const std::string& path);
  [[nodiscard]] core::Status add_folder(std::string path, std::vector<std::uint64_t> names, bool listed);
  [[nodiscard]] core::Status sort_out(const Path& path, std::uint32_t index, std::vector<std::uint64_t>& names);
  [[nodiscard]] bool still_lead_here() const;
  [[nodiscard]] News read_events();
  [[nodiscard]] News judge(const ChangeQueue::Event& event) const;
  [[nodiscard]] static bool concerns(const Folder& folder, const ChangeQueue::Event& event);

  ChangeQueue queue_;
  std::vector<Folder> folders_;           // sorted by id
  bool complete_ = true;
  std::vector<int> followed_;             // ids of watches of single files, sorted
  std::vector<std::uint32_t> unwatched_;
};

}  // namespace pf::ctl
