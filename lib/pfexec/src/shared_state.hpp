// What a copy of a process shares with its original, or lacks: whether that matters, and how a copy makes it its own.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

#include <pfcore/result.hpp>

namespace pf::exec {

struct FileKey {
  dev_t dev = 0;
  ino_t ino = 0;
  [[nodiscard]] bool operator==(const FileKey&) const = default;
};

// Of an open descriptor; zeros when it is none.
[[nodiscard]] FileKey key_of(int fd) noexcept;

// A file that pytest captures output in.
struct CaptureFile {
  int file = -1;                 // its descriptor
  int target = -1;               // 1 or 2 while that one is captured, else -1
};

// Open files whose content or position changes when the original goes on: as they are now.
class SharedState {
 public:
  // `own`: descriptors that are pfast's. `output`: the pipe that stdout and stderr are. Errors: refused, with what cannot be copied or
  // shared in words: a thread, a child process, a socket, a file that is written to, …
  [[nodiscard]] static core::Result<SharedState> take(std::span<const CaptureFile> captures, const FileKey& output, int own);
  // In the copy: gives it files of its own, with the same content and position.
  void restore() const;

 private:
  struct Capture {
    CaptureFile at;
    std::string content;
    off_t position = 0;
  };
  struct Reader {
    int fd;
    off_t position;
  };
  std::vector<Capture> captures_;
  std::vector<Reader> readers_;
};

// Every descriptor that is the file `old` becomes `now`.
void replace_descriptors(const FileKey& old, int now);

}  // namespace pf::exec
