// Every message of protocol version 2, as a struct each. PROTOCOL.md beside this library is the manual.
//
// A message is a dict pickle with the str key "type" (the struct's k_type) and one key per member, spelled as the member
// is. encode() gives the payload of one frame. decode_as<T>() reads one; unknown keys are ignored, missing keys keep the
// member's default, a key of the wrong kind is ErrorCode::malformed. Text that came from the operating system (argv,
// cwd, environment, captured bytes) travels as bytes, so that nothing is lost that is not UTF-8; node ids and pytest's
// text travel as str.
//
// Lists of numbers (U32List) travel as one bytes object of little-endian 32-bit words.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pfcore/export.hpp>
#include <pfcore/frame.hpp>
#include <pfcore/pickle_reader.hpp>
#include <pfcore/result.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

inline constexpr int k_protocol_version = 2;

using U32List = std::vector<std::uint32_t>;
using OsStrings = std::vector<std::string>;                           // list of bytes
using Environment = std::vector<std::pair<std::string, std::string>>;  // dict bytes -> bytes, in order

// ---------------------------------------------------------------- shared parts

// What happened to one phase ("setup", "call", "teardown") of an item, or to a collector ("collect").
struct PhaseReport {
  std::string when;
  std::string outcome;           // "passed" | "failed" | "skipped", as in pytest's reports
  double duration_s = 0;
  double cpu_s = 0;
  double start_s = 0;            // seconds since the epoch
  double queued_s = 0;           // measured runs: ready to run, and no processor free
  std::string longrepr;          // rendered as the run's own --tb, -l, -v, --color ask; empty when there is none
  std::string reason;            // for the short summary: "AssertionError: …", or the reason of a skip or xfail
  std::string category;          // pytest_report_teststatus: "passed", "failed", "error", "skipped", "xfailed", "xpassed", "rerun", "" (not counted), or a plugin's own
  std::string letter;            // "." "F" "E" "s" "x" "X" …
  std::string word;              // "PASSED", "FAILED", …
  bool wasxfail = false;
  std::string headline;          // pytest's head line of a failure, "TestClass.test_name"
  std::string location;          // "path:line" as pytest's short summary prints for skips, else empty
  std::string crash_line;        // "path:line: message", with --tb=line only: printed behind the captured output
  std::vector<std::pair<std::string, std::string>> sections;     // captured output: title, text
  std::vector<std::pair<std::string, std::string>> properties;   // user_properties, converted to str
};

// One set-up of one fixture, in a run that measures fixtures.
struct FixtureReport {
  std::string fixture;           // its name
  std::string origin;            // the node id below which it is defined; empty = a plugin's
  std::string scope;             // "function", "class", "module", "package", "session"
  std::string param;             // its parameter's id, empty = none
  double took_s = 0;             // without the fixtures that were set up meanwhile
};

// One item's final result, or one try of it.
struct ItemResult {
  static constexpr std::string_view k_type = "result";
  std::uint32_t item = 0;        // index into the run's items (see Selected)
  std::string nodeid;            // filled in by the daemon for clients; empty on the way from a worker
  std::string worker;            // "gw0"; filled in by the daemon
  std::uint32_t attempt = 1;
  std::string outcome;           // passed, failed, error, skipped, xfailed, xpassed (the predecessor's six words)
  std::vector<PhaseReport> phases;
  OsStrings opaque;              // serialised pytest reports (bytes), one per phase, only when asked for
  std::string testcase;          // for the controller: what Testcases collects, instead of its reports
  std::string lost;              // non-empty: the worker was lost; "worker 'gw0' crashed while running '…'"
  double busy_s = 0;             // measured runs: wall time of the item's protocol, hooks between the phases included
  std::vector<FixtureReport> fixtures;   // what was set up for it, in a run that measures fixtures
  std::vector<std::string> profile;      // lines of text, in a run that profiles
};

// What pytest made of its options and its ini file, as far as the native reporter's text depends on it: a dict inside
// Selected and CollectedEvent.
struct TextOptions {
  bool known = false;            // false: the session ended before it had any
  bool color = false;
  std::int64_t verbosity = 0;
  std::int64_t verbosity_test_cases = 0;   // what the ini file's option of that name makes of it
  std::string progress = "progress";       // console_output_style: "progress", "count", "times"; empty: nothing is shown
  bool captures = true;          // false: -s, tests write to the terminal themselves
  bool no_header = false;
  bool no_summary = false;
  std::string report_chars = "fE";         // -r as given
  std::int64_t durations = -1;   // -1: not asked for
  double durations_min_s = -1;   // -1: not given
  bool show_capture = true;
  bool disable_warnings = false;
  bool fold_skips = true;
  bool xfail_tb = false;
  bool short_reasons = false;    // --force-short-summary
  std::string tb = "auto";
  std::string rootdir;           // bytes, absolute
  std::string cwd;               // bytes: pytest's invocation directory
};

// A warning as pytest_warning_recorded had it, rendered.
struct WarningReport {
  static constexpr std::string_view k_type = "warning";
  std::string when;              // "config" | "collect" | "runtest"
  std::string nodeid;
  std::string message;           // as the summary prints it
  std::string category;
  std::string location;          // "file:line" or empty
  std::string opaque;            // bytes for the controller, empty unless asked for
};

// ---------------------------------------------------------------- client -> daemon

struct Hello {
  static constexpr std::string_view k_type = "hello";
  std::int64_t protocol = k_protocol_version;
  std::string version;           // of the program
  std::int64_t pid = 0;
};

struct RunOptions {              // a dict inside RunRequest
  std::int64_t workers = -1;     // -1 = auto, 0 = in the controller on the client's terminal
  std::string dist = "auto";
  std::string reporter = "native";  // "native" | "pytest"
  std::string color = "auto";    // "auto" | "yes" | "no", as the client's terminal, --color, NO_COLOR … decide
  std::string start_method = "forkserver";   // "forkserver" | "fork" | "spawn" | "auto"
  double timeout_s = 0;          // 0 = none
  double boot_timeout_s = 0;     // that a boot for this run may take; 0 = the daemon's own limit
  std::int64_t retries = 0;      // times that a failed item is tried again
  double retry_delay_s = 0;      // between two tries
  bool flaky_fails = false;      // an item that passed after it had failed counts as failed
  std::int64_t max_worker_restart = -1;   // lost workers that are replaced, then the run ends; -1 = xdist's option in the suite's addopts, else any number
  std::int64_t nice = 0;         // niceness of the run's processes, at least
  std::int64_t memory_floor_mib = -1;     // no further worker is begun while less memory is free; -1 = the daemon's own, 0 = none
  double hang_dump_s = 0;        // the stacks of a worker are written to stderr each time that an item has run so long; 0 = never
  bool full_report = false;      // opaque reports wanted by the client too
  bool verbose_plan = false;
  std::string measure;           // "": nothing; "times": MeasuredEvent, and queued_s and busy_s of results; "fixtures": their set-ups,
                                 // too; "profile": profiles of set-up and call, too
  std::vector<std::string> nodeids;  // of what argv selects, only these, in this order; empty = all
};

struct TerminalInfo {            // a dict inside RunRequest
  std::int64_t columns = 80;
  std::int64_t rows = 24;
  bool stdin_is_tty = false;
  bool stdout_is_tty = false;
  bool stderr_is_tty = false;
};

// The frame carries three descriptors: stdin, stdout, stderr of the client.
struct RunRequest {
  static constexpr std::string_view k_type = "run";
  OsStrings argv;                // pytest's arguments, without the program's name
  std::string cwd;               // bytes
  Environment env;
  std::int64_t umask = 022;
  std::string program;           // bytes: sys.argv[0] that pytest would have, e.g. "/venv/bin/pytest"
  RunOptions options;
  TerminalInfo terminal;
};

struct CancelRequest {
  static constexpr std::string_view k_type = "cancel";
  std::string how = "interrupt"; // "interrupt": like Ctrl-C in pytest; "kill": at once
};

struct StatusRequest { static constexpr std::string_view k_type = "status"; };

struct ShutdownRequest {
  static constexpr std::string_view k_type = "shutdown";
  bool now = false;              // true: cancel what runs
};

struct ResizeRequest {
  static constexpr std::string_view k_type = "resize";
  std::int64_t columns = 80;
  std::int64_t rows = 24;
};

// ---------------------------------------------------------------- daemon -> client

struct Welcome {
  static constexpr std::string_view k_type = "welcome";
  std::int64_t protocol = k_protocol_version;
  std::string version;
  std::int64_t pid = 0;
};

struct PhaseEvent {
  static constexpr std::string_view k_type = "phase";
  std::string name;              // "wait", "boot", "select", "run"
  std::string detail;            // why: "no generation yet", "changed: tests/test_a.py"
  double elapsed_ms = 0;         // since the daemon read the run's request
};

// Which way the run's options took (design: adopt, fresh session), or what its boot made of checkpoints, and why.
struct PlanEvent {
  static constexpr std::string_view k_type = "plan";
  std::string way;               // "adopt" | "fresh" | "boot"
  std::string why;
};

struct CollectedEvent {
  static constexpr std::string_view k_type = "collected";
  std::int64_t selected = 0;
  std::int64_t deselected = 0;
  std::int64_t errors = 0;
  std::int64_t workers = 0;
  std::vector<PhaseReport> collect_reports;  // failed and skipped collectors; headline = node id
  TextOptions text;
};

struct ProgressEvent {
  static constexpr std::string_view k_type = "progress";
  std::int64_t done = 0;
  std::int64_t total = 0;
  std::int64_t failed = 0;
  std::vector<std::pair<std::string, std::string>> running;  // worker, node id
};

// Bytes that the suite or pytest printed outside of any test and that belong on the client's terminal.
struct OutputEvent {
  static constexpr std::string_view k_type = "output";
  std::int64_t stream = 1;       // 1 stdout, 2 stderr
  std::string data;              // bytes
};

// The end of a run. Nothing follows it.
struct FinishedEvent {
  static constexpr std::string_view k_type = "finished";
  std::int64_t exit_code = 0;    // pytest's 0-5, or pfast's from 70
  std::string reason;            // why the run ended early, as pytest words it ("KeyboardInterrupt", "stopping after 1 failures"), or empty
  std::string reason_at;         // what pytest writes below it: where a KeyboardInterrupt hit; lines, or empty
  bool text_shown = false;       // pytest itself printed everything (reporter pytest, or a command such as --help)
  std::int64_t total = 0;        // selected
  std::int64_t not_run = 0;
  std::vector<std::string> not_run_nodeids;  // at most 20 of them
  double duration_s = 0;         // of the session, as pytest's last line counts
  double wait_ms = 0;            // staleness check, and waiting for another client's boot
  double boot_ms = 0;
  double select_ms = 0;
  double run_ms = 0;
};

// A request that was not carried out. Nothing follows it.
struct ErrorEvent {
  static constexpr std::string_view k_type = "error";
  std::string code;              // short, stable: "boot-failed", "bad-request", "busy", …
  std::string message;           // what and where
  std::string hint;              // how to mend it
  std::int64_t exit_code = 70;
  std::string output;            // bytes: what the failed boot printed (pytest's own text), may be empty
};

struct ShutdownReply { static constexpr std::string_view k_type = "bye"; };

// ---------------------------------------------------------------- daemon <-> forkserver

// First frame to a new forkserver: what to collect.
struct BootRequest {
  static constexpr std::string_view k_type = "boot";
  OsStrings argv;                // pytest's arguments of the run that asked for it
  OsStrings scope;               // paths to collect instead of argv's; empty = what argv without paths means
  bool scope_is_whole = false;   // scope stands for the whole suite (argv named no path)
  std::string cwd;
  std::string program;           // "/venv/bin/pytest"
  std::int64_t umask = 022;
  bool spare = true;             // keep a child that was forked ahead of time
};

// A file, directory or absent path that the generation depends on, as it was when it was first read.
struct InputFile {
  std::string path;              // bytes, absolute
  std::uint64_t dev = 0;
  std::uint64_t ino = 0;         // 0 with a mode = only the kind was asked for: nothing else is compared
  std::uint64_t mode = 0;        // 0 = absent
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  std::string content_hash;      // 16 bytes XXH3-128 of a file's content or of a directory's filtered listing; empty = compare identity only
};

// A Python thread that was alive when collection was over.
struct ImageThread {
  std::string name;
  std::string module;            // that started it; empty: nobody was seen doing so
  std::string location;          // "path:line" there
};

// A socket or a database file that was open when collection was over.
struct ImageSocket {
  std::int64_t fd = 0;
  std::string kind;              // "tcp", "tcp6", "udp", "udp6", "unix", "sqlite", or "family N"
  std::string local;             // "127.0.0.1:80", a path; empty = none
  std::string peer;              // as local; "unnamed": the other end of a pair; empty = not connected
  bool listening = false;
  std::string module;            // that opened it; empty: native code, or nobody was seen doing so
  std::string location;          // "path:line" there
};

// The generation is ready (sent by the paused forkserver).
struct BootReady {
  static constexpr std::string_view k_type = "ready";
  std::vector<std::string> nodeids;           // in pytest's order; may repeat
  std::vector<InputFile> inputs;
  Environment env_read;                       // keys read while collecting, with their values
  OsStrings env_absent;                       // keys asked for and not set
  bool env_read_whole = false;                // the whole environment was copied or iterated over
  std::vector<ImageThread> threads;           // that no run has
  std::int64_t native_threads = 0;            // threads that are not Python's
  std::vector<ImageSocket> sockets;           // that every run shares
  std::vector<std::string> flags;             // of the interpreter, where they are not the usual ones: "-O", "-X dev", "-W error"
  std::string libpython;                      // bytes: the file that it was loaded from
  std::string python_version;
  std::string pytest_version;
  std::int64_t collect_errors = 0;
};

// pytest ended before it came to the pause: usage error, conftest error, no pytest. The process leaves afterwards.
struct BootFailed {
  static constexpr std::string_view k_type = "boot_failed";
  std::int64_t exit_code = 3;    // pytest's
  std::string message;           // empty when pytest printed the reason itself
  std::vector<InputFile> inputs; // so that the next run knows whether to try again
};

// Fork a controller. Descriptors: controller channel, stdin, stdout, stderr.
struct ForkRequest {
  static constexpr std::string_view k_type = "fork";
  std::int64_t run_id = 0;
  RunRequest request;
};

struct Forked {
  static constexpr std::string_view k_type = "forked";
  std::int64_t run_id = 0;
  std::int64_t pid = 0;
  std::string error;             // not empty: the fork failed
};

// A controller that the forkserver reaped.
struct ChildExited {
  static constexpr std::string_view k_type = "exited";
  std::int64_t pid = 0;
  std::int64_t status = 0;       // as waitpid gives it
};

// ---------------------------------------------------------------- daemon <-> controller

// The run's items after pytest's own deselection. Sent once; then the controller waits for Assign (or, with `exit_now`,
// goes on to the end of its session by itself).
struct Selected {
  static constexpr std::string_view k_type = "selected";
  std::string way;               // "adopt" | "fresh"
  std::string why;
  std::vector<std::string> nodeids;   // the selected items in run order
  U32List groups;                // per item: its group and how that may be cut before it (plan.hpp, "group words")
  U32List serial;                // items that run alone after the rest
  std::vector<std::string> resources;
  U32List seats;                 // per resource: how many items may have it at a time
  U32List needs;                 // pairs: an item, one of its resources
  U32List time_limits;           // pairs: an item, milliseconds that it may take (0 = any number): instead of RunOptions.timeout_s
  std::string cache_dir;         // bytes: pfast's folder in the suite's cache; empty = the suite has no cache
  std::int64_t deselected = 0;
  std::vector<PhaseReport> collect_reports;   // failed and skipped collectors; headline = node id
  std::int64_t maxfail = 0;      // 0 = none
  std::int64_t max_worker_restart = -1;   // pytest-xdist's option, where it is installed; -1 = not given
  bool inline_run = false;       // the controller is going to run the items itself (-n 0, --pdb, …): no workers
  bool own_sessions = false;     // every worker begins a session of its own: none of its items may run in the controller
  bool session_over = false;     // nothing is to be run (collection errors, --collect-only, …): Finished follows
  bool outside_scope = false;    // the reason for "fresh" is that the generation's scope does not cover the arguments
  bool text_shown = false;       // pytest prints for itself
  bool wants_reports = false;    // the controller's hooks need every report: Assign.opaque and ReportForward even with reporter native
  TextOptions text;
};

// Descriptors: the run board (memfd), then one worker channel per worker.
struct Assign {
  static constexpr std::string_view k_type = "assign";
  std::int64_t workers = 1;      // slots of the board
  bool in_controller = false;    // run slot 0 in the controller itself: one item only, no second fork is worth it
  bool opaque = false;           // workers send serialised reports
};

// Start a worker in a slot (again). Descriptor: its channel.
struct SpawnWorker {
  static constexpr std::string_view k_type = "spawn";
  std::int64_t slot = 0;
};

struct WorkerStarted { static constexpr std::string_view k_type = "worker_started"; std::int64_t slot = 0; std::int64_t pid = 0; };
struct WorkerExited {
  static constexpr std::string_view k_type = "worker_exited";
  std::int64_t slot = 0;
  std::int64_t pid = 0;
  std::int64_t status = 0;       // as waitpid gives it
  std::string cause;             // why the controller itself ended it, or empty
  std::string stacks;            // Python's stacks of all its threads, as it was told to write them or as it died; or empty
  std::vector<std::pair<std::string, std::string>> sections;   // what its item had written so far: title, text
};

// The first frame to a worker that is a process of its own (start method "spawn"), from its controller. Descriptors: the run
// board, the worker's channel, then where its captured output, its stacks and its last words go.
struct WorkerBoot {
  static constexpr std::string_view k_type = "worker_boot";
  std::int64_t slot = 0;
  std::int64_t workers = 1;      // of the run
  bool opaque = false;           // as in Assign
  RunRequest request;            // of the run
  std::string identity;          // bytes: what the controller's Python has to tell the worker's
};

// One result for the controller's own hooks (reporter pytest). Same content as ItemResult, sent on.
struct ReportForward {
  static constexpr std::string_view k_type = "report";
  std::int64_t item = 0;         // index into Selected.nodeids
  std::string worker;
  OsStrings opaque;              // empty with `lost` set
  std::string lost;
};

// Results of which the controller's hooks need no report: what they make of them has been made by the workers. Any number of these
// messages, the last one before EndRun.
struct Testcases {
  static constexpr std::string_view k_type = "testcases";
  U32List items;                 // indices into Selected.nodeids, in the order of the results
  std::vector<std::string> texts;   // per item its <testcase …/> of the file that --junitxml names
};

// All items are done or never will be. The controller brings the cache up to date, ends its session and leaves.
struct EndRun {
  static constexpr std::string_view k_type = "end";
  U32List failed;                // items that failed (call, setup or teardown)
  U32List passed;                // items that passed or were skipped: for the cache
  std::string stop_reason;       // pytest's words: "stopping after 1 failures", "KeyboardInterrupt", or empty
  bool interrupted = false;      // by Ctrl-C: exit code 2
  std::string interrupted_at;    // as in WorkerFinished, of all workers
  std::int64_t interrupt_code = -1;  // by pytest.exit(): its exit code; -1 = by no such thing
};

// The controller's last message, right before it leaves.
struct ControllerFinished {
  static constexpr std::string_view k_type = "controller_finished";
  std::int64_t exit_code = 0;    // of pytest's session
  std::string stop_reason;       // why it ended early, as pytest words it, or empty
  std::string output;            // bytes: what plugins printed in their terminal summaries (reporter native)
  double duration_s = 0;
};

// ---------------------------------------------------------------- worker -> daemon (besides ItemResult, WarningReport)

struct WorkerFinished {
  static constexpr std::string_view k_type = "worker_finished";
  std::int64_t ran = 0;
  double busy_s = 0;             // inside the runtest protocol
  double cpu_s = 0;              // meanwhile, of all threads
  double wall_s = 0;             // from fork to here
  double begun_s = 0;            // CLOCK_MONOTONIC: it asked for its first item,
  double ended_s = 0;            // and its last one was over
  double queued_s = 0;           // measured runs: of busy_s, ready to run and no processor free
  std::string interrupted;       // text of KeyboardInterrupt or pytest.exit(), or empty
  std::string interrupted_at;    // what pytest writes below it: "path:line: KeyboardInterrupt", or with --full-trace the traceback
  std::int64_t exit_code = -1;   // pytest.exit(returncode=…), -1 = none
  std::string internal_error;    // pytest's INTERNALERROR text, or empty
};

// ---------------------------------------------------------------- coding

template <typename T>
[[nodiscard]] std::string encode(const T& message);

// Memory that a message may take when each of its parts is a copy. A pickle of a megabyte can name one text a million times.
inline constexpr std::size_t k_most_message_bytes = 2 * k_frame_cap_bytes;

// Errors: malformed; limit when the message would take more than most_bytes.
template <typename T>
[[nodiscard]] Result<T> decode_as(const Value& value, std::size_t most_bytes = k_most_message_bytes);

// The "type" of a decoded message; empty when it is no message.
[[nodiscard]] std::string_view message_type(const Value& value) noexcept;

}  // namespace pf::core
PF_CORE_API_END
