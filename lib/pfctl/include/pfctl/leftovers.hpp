// What daemons that ended without a word left in the runtime directory. Only looks; what is removed is the user's decision.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <pfcore/result.hpp>
#include <pfctl/runtime_dir.hpp>

namespace pf::ctl {

// Socket, pid file, note and half-made files of an address that nobody serves.
struct Leftover {
  std::string root;                     // from the note; empty when there is none
  std::vector<std::string> paths;
};

struct OldLog {
  std::string path;
  std::uint64_t bytes = 0;
  std::chrono::hours age{0};
};

struct RuntimeTraces {
  std::size_t served = 0;               // addresses with a daemon
  std::size_t locks = 0;                // lock files, which nobody ever removes
  std::vector<Leftover> dead;
  std::vector<OldLog> old_logs;         // of addresses without a daemon, untouched for `log_age`
};

// An address is served when its socket accepts, or when the process of its pid file is a pfast. No lock is taken: that could
// hinder a daemon that starts now; what is younger than a minute is somebody's start and is left out.
// Errors: system.
[[nodiscard]] core::Result<RuntimeTraces> find_traces(const RuntimeDir& dir, std::chrono::hours log_age = std::chrono::hours(30 * 24));

}  // namespace pf::ctl
