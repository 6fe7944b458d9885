// Checkpoints: copies of the collecting process that stay paused where something is about to be imported. A forkserver for files
// that have changed since is a fork of the last one that had not read any of them (LIFECYCLE.md, "The ladder").
//
// The process that collects goes on as it is; the copy waits. One main thread; GIL held.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <pfcore/checkpoint_messages.hpp>
#include <pfcore/messages.hpp>
#include <pfcore/frame_socket.hpp>
#include <pfcore/unique_fd.hpp>

#include "shared_state.hpp"

struct _object;                                   // PyObject, without Python.h

namespace pf::exec {

class Checkpoints {
 public:
  static Checkpoints& instance() noexcept;

  // In the process that begins to collect, while descriptor 2 is still what the daemon gave it. nullopt: none is made.
  void begin(const std::optional<core::LadderRequest>& wanted);
  [[nodiscard]] bool wanted() const noexcept { return wanted_; }
  // Collection is over, or this process is not one that collects.
  void end() noexcept { wanted_ = false; }

  // Enough was done since the last one, or enough pages were written to.
  [[nodiscard]] bool due() const noexcept;
  // What is read there was edited lately, and a little was done since the last one. A file, or a folder whose conftest.py or __init__.py it is.
  [[nodiscard]] bool is_hot(std::string_view path) const;
  // The same of a module, by its name.
  [[nodiscard]] bool is_hot_module(std::string_view name) const;
  // There is enough between here and the last one for one that is likely to be used.
  [[nodiscard]] bool worth_one() const noexcept;
  // Leaves a checkpoint behind where that is safe. `before` is what will be read next. Returns nullopt in the process that goes on;
  // in a new forkserver, which goes on from here, its BootRequest.
  [[nodiscard]] std::optional<core::BootRequest> leave_one(const std::string& before, bool hot, std::span<const CaptureFile> captures);
  // Why one that was due was not made; the first reason.
  [[nodiscard]] const std::string& obstacle() const noexcept { return obstacle_; }

 private:
  [[nodiscard]] core::BootRequest wait_to_resume(core::UniqueFd channel, const SharedState& state);
  [[nodiscard]] core::BootRequest become_forkserver(core::UniqueFd channel, const core::UniqueFd& output, const SharedState& state);
  [[nodiscard]] double work_s() const noexcept;
  [[nodiscard]] long faults() const noexcept;
  [[nodiscard]] long copies() const noexcept;
  void note_last() noexcept;

  bool wanted_ = false;
  pid_t daemon_ = 0;                        // parent of every forkserver and of every checkpoint
  FileKey output_{};                        // the pipe that stdout and stderr are
  double work_before_s_ = 0;                // processor time of the processes that this one is a fork of
  long faults_before_ = 0;                  // and their page faults
  double last_s_ = 0;                       // work_s() at the last checkpoint, or attempt
  double gap_s_ = 0;                        // so much work is enough for the next one,
  long last_faults_ = 0;                    // the same in page faults, of which those that made no page resident have copied one:
  long last_resident_ = 0;
  long gap_copies_ = 0;                     // so many are enough, too,
  double least_gap_s_ = 0;                  // with so much work at least
  std::optional<double> fixed_gap_s_;
  std::string obstacle_;
  core::OsStrings hot_;
};

// What a forkserver is to do: its channel's first frames. Errors: closed; malformed.
struct BootOrder {
  core::BootRequest boot;
  std::optional<core::LadderRequest> ladder;
};
[[nodiscard]] core::Result<BootOrder> receive_order(core::FrameSocket& channel);

// Of an `import` event that names no file yet: a project's module is about to be looked for.
void note_import(_object* args);

}  // namespace pf::exec
