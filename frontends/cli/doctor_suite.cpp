// What `pfast doctor` says about the daemon and the suite as it was collected.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include <pfctl/client_setup.hpp>

#include "checkpoint_view.hpp"
#include "doctor_view.hpp"
#include "say.hpp"

namespace pf::cli {
namespace {

constexpr std::size_t k_shown = 8;

using Reports = std::vector<core::GenerationReport>;

bool is_collected(const core::GenerationReport& generation) {
  return generation.status.state == "ready" || generation.status.state == "stale";
}

Reports collected(const DoctorView& view) {
  Reports out;
  if (!view.explanation) return out;
  std::copy_if(view.explanation->generations.begin(), view.explanation->generations.end(), std::back_inserter(out), is_collected);
  return out;
}

std::string name_of(const core::GenerationReport& generation) { return "generation " + std::to_string(generation.status.id); }

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", seconds);
  return text;
}

std::string joined(const std::vector<std::string>& words) { return some_of(words, words.size()); }

// "shop.metrics (shop/metrics.py:6)"
std::string place(const DoctorView& view, const std::string& module, const std::string& location) {
  const std::string path = short_path(view, location);
  if (module.empty()) return path;
  return path.empty() ? module : module + " (" + path + ")";
}

Json thread_json(const core::GenerationReport& generation, const core::ImageThread& thread) {
  return {{"generation", generation.status.id}, {"name", thread.name}, {"module", thread.module}, {"location", thread.location}};
}

Json socket_json(const core::GenerationReport& generation, const core::ImageSocket& socket) {
  return {{"generation", generation.status.id}, {"fd", socket.fd},         {"kind", socket.kind},     {"local", socket.local},
          {"peer", socket.peer},                {"listening", socket.listening}, {"module", socket.module}, {"location", socket.location}};
}

std::string asked_for(const core::GenerationReport& generation) {
  if (generation.scope_is_whole) return "the whole suite";
  return some_of(generation.scope, k_shown);
}

void describe_checkpoints(Check& check, const DoctorView& view, const core::GenerationReport& generation) {
  const auto& checkpoints = generation.status.checkpoints;
  if (!checkpoints.empty()) {
    check.details.push_back("  " + counted(static_cast<std::int64_t>(checkpoints.size()), "checkpoint") + ", " + mebibytes_text(checkpoint_bytes(generation.status)) +
                            " together, the last one before " + short_path(view, checkpoints.back().before));
  }
  if (!generation.resumed_before.empty()) check.details.push_back("  went on from the checkpoint before " + short_path(view, generation.resumed_before));
  if (generation.no_checkpoints.empty()) return;
  check.note("checkpoints are missing in " + name_of(generation) + ": " + generation.no_checkpoints,
             "right, and slower after an edit: everything is collected anew; do that in a fixture instead of at import");
}

Json generation_json(const core::GenerationReport& generation) {
  return {{"id", generation.status.id},
          {"state", generation.status.state},
          {"reason", generation.status.reason},
          {"pid", generation.status.pid},
          {"items", generation.status.items},
          {"rss_bytes", generation.status.rss_bytes},
          {"age_s", generation.status.age_s},
          {"boot_s", generation.boot_s},
          {"cwd", generation.cwd},
          {"argv", generation.argv},
          {"scope", generation.scope},
          {"scope_is_whole", generation.scope_is_whole},
          {"options", generation.options},
          {"flags", generation.flags},
          {"env_keys", generation.env_keys},
          {"env_read", generation.env_read},
          {"env_absent", generation.env_absent},
          {"env_read_whole", generation.env_read_whole},
          {"inputs", generation.inputs},
          {"input_folders", generation.input_folders},
          {"input_absent", generation.input_absent},
          {"collect_errors", generation.collect_errors},
          {"checkpoints", checkpoints_json(generation.status)},
          {"no_checkpoints", generation.no_checkpoints},
          {"resumed_before", generation.resumed_before},
          {"python", generation.python_version},
          {"pytest", generation.pytest_version},
          {"libpython", generation.libpython}};
}

void describe_keys(Check& check, const core::GenerationReport& generation) {
  check.details.push_back(name_of(generation) + " · " + generation.status.state + " · " + counted(generation.status.items, "item") + " of " +
                          asked_for(generation) + " · " + mebibytes_text(generation.status.rss_bytes) + " · collected in " +
                          seconds_text(generation.boot_s));
  check.details.push_back("  another one is collected for other values of: " + some_of(generation.env_keys, k_shown));
  if (!generation.env_absent.empty()) check.details.push_back("  or when one of these is set: " + some_of(generation.env_absent, k_shown));
  check.details.push_back("  or for other options than: " + (generation.options.empty() ? std::string("none that act at import") : joined(generation.options)) +
                          (generation.flags.empty() ? "" : "; interpreter " + joined(generation.flags)));
  check.details.push_back("  or for a change in any of " + counted(generation.inputs, "input") + " (" + counted(generation.input_folders, "folder") + ", " +
                          std::to_string(generation.input_absent) + " that must stay absent)");
}

void judge(Check& check, const core::GenerationReport& generation) {
  if (generation.status.state == "stale") {
    check.note(name_of(generation) + " is stale: " + generation.status.reason, "the next run boots a successor; `pfast refresh` does so now");
  }
  if (generation.env_read_whole) {
    check.note("importing the suite reads the whole environment, so that a new value of nearly any variable means a new collection",
               "ask for variables by name at import instead of copying os.environ");
  }
  if (generation.collect_errors > 0) {
    check.note(counted(generation.collect_errors, "module") + " could not be collected", "`pytest --collect-only -q` shows the errors");
  }
}

bool names_limit(const std::string& problem) { return problem.find("fs.inotify.") != problem.npos; }

// What to do about a limit of inotify, by its name in the message.
std::string raise_limit(const ctl::MachineLimits& limits, const std::string& problem) {
  const bool instances = problem.find("max_user_instances") != problem.npos;
  const std::int64_t now = instances ? limits.watch_instances : limits.watches;
  const std::int64_t wanted = std::max<std::int64_t>(instances ? 512 : 524288, now * 2);
  return std::string("`sudo sysctl fs.inotify.max_user_") + (instances ? "instances=" : "watches=") + std::to_string(wanted) +
         "`; to keep it, a line of that in /etc/sysctl.d/";
}

std::string describe(const core::ImageSocket& socket) {
  std::string text = socket.kind == "sqlite" ? "the database " + socket.local : "a " + socket.kind + " socket";
  if (socket.kind == "sqlite") return text;
  if (socket.listening) return text + " that listens at " + (socket.local.empty() ? "no name" : socket.local);
  if (!socket.peer.empty() && socket.peer != "unnamed") return text + " connected to " + socket.peer;
  if (!socket.local.empty()) return text + " bound to " + socket.local;
  return socket.peer == "unnamed" ? "one end of a socket pair, such as an event loop has" : text + " that is not connected";
}

// Of no use to two processes at once.
bool is_shared_badly(const core::ImageSocket& socket) {
  return socket.kind == "sqlite" || socket.listening || !socket.local.empty() || (!socket.peer.empty() && socket.peer != "unnamed");
}

}  // namespace

Check check_daemon(const DoctorView& view) {
  Check check("daemon");
  check.facts = {{"running", view.status.has_value()}, {"address", view.context.address.socket.empty() ? std::string() : view.context.address.socket_path()}};
  if (view.daemon_error) {
    const ctl::Complaint complaint = ctl::complaint_of(*view.daemon_error);
    check.problem(complaint.message, complaint.hint.empty() ? "`pfast logs` shows what it said last" : complaint.hint);
  }
  if (!view.status) {
    check.summary = view.daemon_error ? "none that answers" : "none is running; the next run starts one";
    return check;
  }
  const core::StatusReply& status = *view.status;
  check.facts.update({{"pid", status.pid}, {"version", status.version}, {"uptime_s", status.uptime_s}, {"rss_bytes", status.rss_bytes},
                      {"clients", status.clients}, {"runs", status.runs.size()}, {"ttl_s", status.ttl_s}});
  check.summary = "process " + std::to_string(status.pid) + " · up " + seconds_text(status.uptime_s) + " · leaves after " + seconds_text(status.ttl_s) +
                  " without work · " + counted(static_cast<std::int64_t>(status.runs.size()), "run");
  if (status.version != PF_VERSION) {
    check.problem("the daemon is pfast " + status.version + ", and this is " PF_VERSION, "`pfast restart` puts one of this version in its place");
  }
  for (const core::GenerationStatus& generation : status.generations) {
    if (generation.state == "failed") check.problem("the last collection failed: " + generation.reason, "`pfast run` shows the errors, `pfast logs` what was printed");
  }
  return check;
}

Check check_generations(const DoctorView& view) {
  Check check("generations", no_suite(view));
  check.facts = {{"generations", Json::array()}};
  if (view.collect_code != 0) {
    check.problem("the suite could not be collected (exit code " + std::to_string(view.collect_code) + ")", "the text above says why; `pytest --collect-only` runs the same imports");
  }
  const Reports reports = collected(view);
  for (const core::GenerationReport& generation : reports) {
    check.facts["generations"].push_back(generation_json(generation));
    describe_keys(check, generation);
    describe_checkpoints(check, view, generation);
    judge(check, generation);
  }
  if (view.explanation) check.facts["most"] = view.explanation->max_generations;
  check.summary = counted(static_cast<std::int64_t>(reports.size()), "collected suite") + (view.explanation ? " of at most " + std::to_string(view.explanation->max_generations) : "");
  return check;
}

Check check_watch(const DoctorView& view) {
  Check check("watch");
  const ctl::MachineLimits& limits = view.limits;
  std::int64_t needed = 0;
  std::int64_t unwatched = 0;
  for (const core::GenerationReport& generation : collected(view)) {
    needed += generation.watch_folders;
    if (!generation.watched) unwatched += generation.watch_folders;
    if (generation.watch_problem.empty()) continue;
    const std::string what = name_of(generation) + ": every file is looked at before each run: " + generation.watch_problem;
    if (names_limit(generation.watch_problem)) check.problem(what, raise_limit(limits, generation.watch_problem));
    else check.note(what, "right, and some milliseconds slower; a copy on a local disk has a watch");
  }
  const std::string silent = ctl::silent_file_system(view.context.root);
  if (!silent.empty() && check.findings.empty()) {
    check.note("the root is on a file system (" + silent + ") that does not tell of every change: every file is looked at before each run",
               "right, and some milliseconds slower; a copy on a local disk has a watch");
  }
  const bool told = std::any_of(check.findings.begin(), check.findings.end(), [](const Finding& finding) { return finding.level == Level::problem; });
  if (!told && silent.empty() && limits.watches >= 0 && limits.watches_used + std::max<std::int64_t>(unwatched, 1) > limits.watches) {
    check.problem("no watches are left for the suite: " + std::to_string(limits.watches_used) + " of " + std::to_string(limits.watches) + " are in use",
                  raise_limit(limits, "max_user_watches"));
  }
  if (!told && silent.empty() && limits.watch_instances >= 0 && limits.watch_instances_used + 1 > limits.watch_instances) {
    check.problem("no inotify instances are left: " + std::to_string(limits.watch_instances_used) + " of " + std::to_string(limits.watch_instances) + " are in use",
                  raise_limit(limits, "max_user_instances"));
  }
  check.facts = {{"watches", limits.watches}, {"watches_used", limits.watches_used}, {"instances", limits.watch_instances},
                 {"instances_used", limits.watch_instances_used}, {"folders", no_suite(view).empty() ? Json(needed) : Json()}, {"silent_file_system", silent}};
  check.summary = (no_suite(view).empty() ? counted(needed, "folder") + " to watch; " : std::string()) + "inotify: " + std::to_string(limits.watches_used) + " of " +
                  std::to_string(limits.watches) + " watches, " + std::to_string(limits.watch_instances_used) + " of " + std::to_string(limits.watch_instances) + " instances in use";
  return check;
}

Check check_threads(const DoctorView& view) {
  Check check("threads", no_suite(view));
  check.facts = {{"threads", Json::array()}, {"native", Json::array()}};
  check.summary = "importing the suite starts none";
  for (const core::GenerationReport& generation : collected(view)) {
    for (const core::ImageThread& thread : generation.threads) {
      check.facts["threads"].push_back(thread_json(generation, thread));
      check.problem(name_of(generation) + ": importing the suite starts the thread '" + thread.name + "': " + place(view, thread.module, thread.location),
                    "no run has it, and what it had locked stays locked: start it in a fixture or at first use, not at import");
    }
    if (generation.native_threads == 0) continue;
    check.facts["native"].push_back({{"generation", generation.status.id}, {"threads", generation.native_threads}});
    check.note(name_of(generation) + ": native code has " + counted(generation.native_threads, "thread") + " of its own",
               "libraries such as OpenBLAS know how to be forked; where tests hang, OPENBLAS_NUM_THREADS=1 or OMP_NUM_THREADS=1 does without");
  }
  if (!check.findings.empty()) check.summary = "importing the suite leaves threads running";
  return check;
}

Check check_connections(const DoctorView& view) {
  Check check("connections", no_suite(view));
  check.facts = {{"sockets", Json::array()}};
  check.summary = "importing the suite opens none";
  for (const core::GenerationReport& generation : collected(view)) {
    for (const core::ImageSocket& socket : generation.sockets) {
      check.facts["sockets"].push_back(socket_json(generation, socket));
      const std::string by = place(view, socket.module, socket.location);
      const std::string what = name_of(generation) + ": importing the suite opens " + describe(socket) + ": " + (by.empty() ? "by native code, descriptor " + std::to_string(socket.fd) : by);
      if (is_shared_badly(socket)) check.problem(what, "all workers of all runs share it: open it in a fixture or at first use, not at import");
      else check.note(what, "every worker has the same one: harmless where no test uses it");
    }
  }
  if (!check.findings.empty()) check.summary = "importing the suite leaves sockets open";
  return check;
}

}  // namespace pf::cli
