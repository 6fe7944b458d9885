// Messages about the daemon itself rather than about one run: pre-warming, what generations are made of, and who serves an
// address. As with messages.hpp, PROTOCOL.md is the reference for both sides.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <pfcore/export.hpp>
#include <pfcore/checkpoint_messages.hpp>
#include <pfcore/messages.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// What a daemon does right now. The answer to StatusRequest.
struct WorkerStatus { std::string name; std::int64_t pid = 0; std::string nodeid; double for_s = 0; };
struct RunStatus { std::int64_t id = 0; std::int64_t done = 0; std::int64_t total = 0; std::vector<WorkerStatus> workers; };
struct GenerationStatus {
  std::int64_t id = 0;
  std::string state;             // booting, ready, stale, failed
  std::int64_t pid = 0;
  std::int64_t items = 0;
  double age_s = 0;
  std::int64_t rss_bytes = 0;
  std::string reason;
  std::vector<CheckpointStatus> checkpoints;   // in the order of collection
};
struct StatusReply {
  static constexpr std::string_view k_type = "status_reply";
  std::int64_t pid = 0;
  std::string address;
  std::string version;
  double uptime_s = 0;
  std::int64_t rss_bytes = 0;
  std::vector<GenerationStatus> generations;
  std::vector<RunStatus> runs;
  std::int64_t clients = 0;
  std::string root;
  std::string python;
  double ttl_s = 0;              // idle time after which it leaves
};

// Make warm now what a run like `request` would use, with all of its scope, and replace every stale generation. Phases
// follow, then Refreshed, or the ErrorEvent of the first boot that came to nothing.
struct RefreshRequest {
  static constexpr std::string_view k_type = "refresh";
  RunRequest request;
  bool only_stale = false;       // of a watcher: warms nothing that is not warm already, and begins when no run is on; no request
  std::string expired;           // with only_stale: every generation is stale, and why, whatever its inputs say
};

struct RefreshedGeneration {
  std::int64_t id = 0;
  std::int64_t items = 0;
  bool booted = false;           // by this refresh; false: it was fresh, or somebody else's boot was waited for
  std::string why;               // of the boot
  double boot_s = 0;
  std::int64_t errors = 0;       // while collecting; such a generation replaces no good one
  std::string output;            // bytes: pytest's text of them
};

struct Refreshed {
  static constexpr std::string_view k_type = "refreshed";
  std::vector<RefreshedGeneration> generations;   // the first one is the request's
};

// What `pfast doctor` wants to know and status does not tell. The answer is Explanation.
struct ExplainRequest { static constexpr std::string_view k_type = "explain"; };

// What a generation was collected with, and what that left in it. Fields behind `status` and the request's are those of a boot
// that became ready.
struct GenerationReport {
  GenerationStatus status;
  OsStrings argv;                // of the run that it was collected for
  std::string cwd;               // bytes
  OsStrings scope;               // paths that were collected
  bool scope_is_whole = false;
  OsStrings options;             // the part of argv that keys it
  OsStrings env_keys;            // variables that are set and key it
  OsStrings env_read;            // those that were read by name
  OsStrings env_absent;          // those that were asked for and not set
  bool env_read_whole = false;
  std::int64_t inputs = 0;       // files, folders and absent paths that it depends on
  std::int64_t input_folders = 0;
  std::int64_t input_absent = 0;
  std::int64_t watch_folders = 0;   // folders that a watch of them takes
  bool watched = false;          // the next check needs no walk unless something happens
  std::string watch_problem;     // why there is no watch; empty = none was told
  double boot_s = 0;
  std::int64_t collect_errors = 0;
  std::string python_version;
  std::string pytest_version;
  std::string libpython;         // bytes
  std::vector<std::string> flags;
  std::vector<ImageThread> threads;
  std::int64_t native_threads = 0;
  std::vector<ImageSocket> sockets;
  std::string no_checkpoints;    // why checkpoints are missing; empty = nothing stood in their way
  std::string resumed_before;    // bytes: what the checkpoint that it is a fork of stood before; empty = collected from the beginning
};

struct Explanation {
  static constexpr std::string_view k_type = "explanation";
  std::vector<GenerationReport> generations;
  std::string forkserver;        // bytes: the program
  std::int64_t workers = 0;      // that all runs may have together
  std::int64_t max_generations = 0;
  std::int64_t memory_bytes = 0;    // that all generations may hold together; 0 = any
  double boot_timeout_s = 0;
  std::int64_t descriptors = 0;     // that the daemon has open
  std::int64_t descriptor_limit = 0;
};

// From a daemon that is about to serve the same address. First `done` false: the answer is HandedOver. Then, once its own
// socket is in place, `done` true: the receiver serves whom it has and leaves. A connection that ends in between changes nothing.
struct HandOverRequest {
  static constexpr std::string_view k_type = "hand_over";
  bool done = false;
};

// Carries one descriptor: the life lock, shared by both from now on.
struct HandedOver { static constexpr std::string_view k_type = "handed_over"; };

}  // namespace pf::core
PF_CORE_API_END
