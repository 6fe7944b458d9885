// `pfast-watch`: keeps what a daemon has warm as fresh as the files are. It sleeps until the daemon tells of a change, lets it
// settle, and asks for a refresh; the daemon does the rest. LIFECYCLE.md, "Watching".
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pfcore/messages.hpp>
#include <pfcore/result.hpp>

#include <pfctl/daemon_process.hpp>
#include <pfctl/lock.hpp>
#include <pfctl/loop.hpp>
#include <pfctl/runtime_dir.hpp>

namespace pf::ctl {

struct WatchOptions {
  Address address;
  std::string root;                                  // PYTEST_FAST_WATCH_… are relative to it
  Milliseconds debounce{700};
  Milliseconds poll{500};                            // where the kernel tells of no changes
  std::optional<std::vector<std::string>> folders;   // PYTEST_FAST_WATCH_DIRS, when it is set
  std::optional<std::vector<std::string>> files;     // PYTEST_FAST_WATCH_FILES
  std::function<void(std::string_view)> say;         // a line for people
  std::function<void(std::string_view)> show;        // pytest's own text
  // For an address that the predecessor's daemon serves: how pfast's own is started beside it, and what it collects.
  std::function<StartOptions(const Address&)> staging;
  core::RunRequest warm;
};

enum class WatchEnd : std::uint8_t {
  daemon_gone,           // for three seconds; there was one
  no_daemon,             // came within three seconds
  told_to,               // by SIGTERM, SIGINT or SIGHUP
};

// One watcher an address: hold this while it watches. nullopt: somebody else does. The predecessor's watcher takes the same lock.
// Errors: FileLock's.
[[nodiscard]] core::Result<std::optional<FileLock>> lock_watcher(const Address& address);
// The log of a watcher in the background, beside the daemon's.
[[nodiscard]] std::string watcher_log_path(const Address& address);

// Starts `executable` in a session of its own as the watcher of the address, with its output in that log, and does not wait.
// Returns its pid; 0 when there is one already. Errors: lock_watcher's, open_log's, spawn's.
[[nodiscard]] core::Result<std::int64_t> start_watcher(const Address& address, const std::string& executable, const std::vector<std::string>& arguments,
                                               const core::Environment& env, const std::string& cwd);

// Blocks. Hold the lock. Errors: system (no loop).
[[nodiscard]] core::Result<WatchEnd> run_watch_service(WatchOptions options);

}  // namespace pf::ctl
