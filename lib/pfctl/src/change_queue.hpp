// What a kernel tells of changed files and folders: inotify on Linux (change_queue_inotify.cpp), kqueue on macOS and the BSDs
// (change_queue_kqueue.cpp). file_watch.hpp makes sense of it. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <pfcore/result.hpp>
#include <pfcore/unique_fd.hpp>

namespace pf::ctl {

class ChangeQueue {
 public:
  struct Event {
    enum class Kind : std::uint8_t {
      changed,                   // content, attributes, links
      entries,                   // something came or went
      ended,                     // the watch is of no more use
    };
    int id = -1;                 // of the watch; -1: of all (an overflow)
    Kind kind = Kind::changed;
    std::string_view name;       // in the folder; empty: the folder or file itself, or nobody tells
  };

  ChangeQueue();
  ChangeQueue(ChangeQueue&&) noexcept;
  ChangeQueue& operator=(ChangeQueue&&) noexcept;
  ~ChangeQueue();

  // Whether a folder tells when what is in its files changes; else each file is added, too.
  static const bool k_folders_tell_of_files;
  // False: the file system may keep changes to itself (network and user space ones).
  [[nodiscard]] static bool tells_of_changes(const std::string& folder);

  // Errors: system (no descriptors or instances left).
  [[nodiscard]] core::Status open();
  // The id of its events; two paths to one folder may share it. Errors: system (no watches or descriptors left), not a folder.
  [[nodiscard]] core::Result<int> add_folder(const std::string& path);
  // The file that the path leads to. Errors: system, as above.
  [[nodiscard]] core::Result<int> add_file(const std::string& path);
  // Everything that happened since, without waiting. False: it can't be read any more.
  [[nodiscard]] bool read(const std::function<void(const Event&)>& tell);
  // Readable when there are events. Errors: system.
  [[nodiscard]] core::Result<core::UniqueFd> copy_descriptor() const;

 private:
  core::UniqueFd fd_;
  struct State;                  // what the kernel does not keep
  std::unique_ptr<State> state_;
};

}  // namespace pf::ctl
