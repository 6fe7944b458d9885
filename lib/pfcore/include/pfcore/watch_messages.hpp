// Messages of a watcher, which has a daemon tell it when files change that its generations were collected from.
// PROTOCOL.md is the reference for both sides.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <pfcore/export.hpp>
#include <pfcore/messages.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// The answers are WatchState, the first one once every generation has been looked at, until the connection ends.
struct WatchRequest {
  static constexpr std::string_view k_type = "watch";
  double poll_s = 0.5;           // between two looks where the file system tells nothing
  bool keep = false;             // the daemon does not leave for want of work meanwhile
};

// What there is to do, sent whenever files were touched or generations came or went.
struct WatchState {
  static constexpr std::string_view k_type = "watch_state";
  bool touched = false;          // files, since the last one
  std::int64_t serial = 0;       // counts up when inputs turned out to be others than at the look before
  std::string outdated;          // why a refresh would boot ("changed: conftest.py"); empty = it would not
  OsStrings changed;             // absolute paths of files, folders and absent paths that are not what they were; at most 64
  std::int64_t generations = 0;  // that are looked at
  std::string problem;           // why files are looked at by the clock; empty = the kernel tells
};

}  // namespace pf::core
PF_CORE_API_END
