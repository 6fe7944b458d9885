// Messages about checkpoints: copies of a collecting process that stay paused where a module was about to be imported. A new
// forkserver is a fork of one, in which nothing was loaded that has changed since. PROTOCOL.md is the reference for both sides.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <pfcore/export.hpp>
#include <pfcore/messages.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// Ahead of a BootRequest: leave checkpoints behind while collecting.
struct LadderRequest {
  static constexpr std::string_view k_type = "ladder";
  OsStrings hot;                 // absolute paths of files that were edited lately: each is worth a checkpoint right before it
};

// Ahead of a BootReady.
struct LadderReady {
  static constexpr std::string_view k_type = "rungs";
  U32List input_marks;           // per input of the BootReady, rising: how much had been recorded when it was first needed
  std::string obstacle;          // why a checkpoint that was due was not made; empty = nothing stood in the way
};

// A paused copy of a collecting process, for people.
struct CheckpointStatus {
  std::int64_t pid = 0;
  std::string before;            // bytes: what it would import next
};

// A collecting process has left a checkpoint behind. Descriptor: the checkpoint's channel; it leaves when that is closed.
struct CheckpointMade {
  static constexpr std::string_view k_type = "checkpoint";
  std::int64_t pid = 0;
  std::int64_t mark = 0;         // how many inputs had been recorded (LadderReady.input_marks)
  double work_s = 0;             // processor time of all that was collected so far, and 0.5 ms for each page fault
  std::string before;            // bytes: the file or module that would be read next
  bool hot = false;              // LadderRequest.hot has it
};

// To a checkpoint: become a forkserver, in a fork. Descriptors: its channel, on which a LadderRequest and
// a BootRequest wait, and what its stdout and stderr are to be.
struct ResumeRequest { static constexpr std::string_view k_type = "resume"; };

// First frame of such a forkserver.
struct Resumed {
  static constexpr std::string_view k_type = "resumed";
  std::int64_t pid = 0;
};

}  // namespace pf::core
PF_CORE_API_END
