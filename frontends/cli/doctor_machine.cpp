// What `pfast doctor` says about pfast's installation and this machine.
#include <unistd.h>

#include <algorithm>

#include <pfctl/client_setup.hpp>
#include <pfctl/leftovers.hpp>
#include <pfctl/machine_memory.hpp>
#include <pfctl/worker_count.hpp>

#include "doctor_view.hpp"
#include "say.hpp"

namespace pf::cli {
namespace {

constexpr std::int64_t k_descriptors_besides_workers = 64;
constexpr std::int64_t k_processes_besides_workers = 4;

// A library's error, with its own remedy where it has one.
void tell(Check& check, const core::Error& error, const std::string& advice) {
  const ctl::Complaint complaint = ctl::complaint_of(error);
  check.problem(complaint.message, complaint.hint.empty() ? advice : complaint.hint);
}

std::string built_for() { return std::to_string(PF_PYTHON_MAJOR) + '.' + std::to_string(PF_PYTHON_MINOR); }

std::int64_t workers_of(const DoctorView& view) {
  if (view.context.settings.workers > 0) return view.context.settings.workers;
  return ctl::default_worker_count();
}

Json or_null(std::int64_t number) { return number < 0 ? Json() : Json(number); }

std::string limit_text(std::int64_t number) { return number < 0 ? "no limit" : std::to_string(number); }

// As a shell takes them.
std::string remove_command(const std::vector<std::string>& paths) {
  std::string command = "rm";
  for (const std::string& path : paths) {
    std::string quoted = "'";
    for (const char letter : path) quoted += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
    const bool plain = path.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") == path.npos;
    command += ' ' + (plain ? path : quoted + '\'');
  }
  return command;
}

void check_pytest(Check& check, const ctl::InterpreterFacts& facts, const std::string& python) {
  const std::string mend = "`" + python + " -m pip install 'pytest>=8,<10'`";
  if (facts.pytest_version.empty()) {
    check.problem("pytest cannot be imported: " + facts.pytest_problem, mend);
  } else if (const int major = std::atoi(facts.pytest_version.c_str()); major < 8 || major > 9) {
    check.problem("pytest " + facts.pytest_version + " is not supported: pfast works with 8.0 to 9.x", mend);
  }
}

}  // namespace

Check check_installation(const DoctorView& view) {
  Check check("installation");
  const std::string forkserver = find_forkserver(view.context.env);
  check.summary = "pfast " PF_VERSION " for Python " + built_for() + ": " + ctl::own_executable();
  check.details = {"forkserver " + (forkserver.empty() ? std::string("none") : forkserver)};
  check.facts = {{"pfast", ctl::own_executable()}, {"forkserver", forkserver}, {"python", built_for()}};
  const std::string mend = "install pfast again, or name the file with PFAST_FORKSERVER";
  if (forkserver.empty()) {
    check.problem("pfast-forkserver is not beside pfast", mend);
  } else if (auto starts = ctl::try_forkserver(forkserver, view.context.env); !starts) {
    check.problem("failed to " + starts.error().message,
                  "install pfast again for this Python; `ldd` of the program shows a library that is missing (libpython)");
  }
  return check;
}

Check check_interpreter(const DoctorView& view) {
  Check check("interpreter");
  const ctl::Interpreter& python = view.context.interpreter;
  check.facts = {{"executable", python.executable}, {"source", python.source}, {"built_for", built_for()}};
  check.summary = python.executable.empty() ? "none" : python.executable + " (by " + python.source + ")";
  if (view.interpreter_error) tell(check, *view.interpreter_error, "use --python");
  if (!view.interpreter_facts) return check;
  if (!*view.interpreter_facts) {
    tell(check, view.interpreter_facts->error(), "run it yourself and see");
    return check;
  }
  const ctl::InterpreterFacts& facts = **view.interpreter_facts;
  check.facts.update({{"version", facts.version}, {"libpython", facts.libpython}, {"pytest", facts.pytest_version}});
  check.details.push_back("Python " + facts.version + " · pytest " + (facts.pytest_version.empty() ? "none" : facts.pytest_version) +
                          " · libpython " + (facts.libpython.empty() ? "static" : facts.libpython));
  check_pytest(check, facts, python.executable);
  if (!view.explanation) return check;
  for (const core::GenerationReport& generation : view.explanation->generations) {
    if (generation.python_version.empty() || generation.python_version == facts.version) continue;
    check.note("generation " + std::to_string(generation.status.id) + " runs Python " + generation.python_version + " (" + generation.libpython +
                   "), and the interpreter is " + facts.version,
               "install pfast with that interpreter, so that it is linked with its libpython");
  }
  return check;
}

Check check_settings(const DoctorView& view) {
  Check check("settings");
  Json sources = Json::object();
  for (const auto& [key, source] : view.context.settings.sources) {
    sources[key] = source;
    check.details.push_back(key + " by " + short_path(view, source));
  }
  check.facts = {{"root", view.context.root}, {"set", sources}};
  check.summary = sources.empty() ? "all as usual" : counted(static_cast<std::int64_t>(sources.size()), "setting") + " of your own";
  if (view.settings_error) tell(check, *view.settings_error, "correct that setting, or remove it");
  return check;
}

Check check_runtime(const DoctorView& view) {
  Check check("runtime");
  if (view.address_error) tell(check, *view.address_error, "name another socket with --address");
  if (!view.runtime) {
    check.summary = ctl::runtime_dir_path(view.context.env);
    if (view.runtime_error) tell(check, *view.runtime_error, "");
    return check;
  }
  check.summary = view.runtime->path;
  const auto traces = ctl::find_traces(*view.runtime);
  if (!traces) {
    tell(check, traces.error(), "");
    return check;
  }
  check.details = {counted(static_cast<std::int64_t>(traces->served), "daemon") + " · " + counted(static_cast<std::int64_t>(traces->locks), "lock file") +
                   " (those stay)"};
  Json leftovers = Json::array();
  for (const ctl::Leftover& leftover : traces->dead) {
    leftovers.push_back({{"root", leftover.root}, {"paths", leftover.paths}});
    check.problem("a daemon" + (leftover.root.empty() ? std::string() : " of " + leftover.root) + " was killed and left " +
                      counted(static_cast<std::int64_t>(leftover.paths.size()), "file"),
                  "`" + remove_command(leftover.paths) + "`; the next daemon there would replace them, too");
  }
  Json logs = Json::array();
  std::vector<std::string> paths;
  for (const ctl::OldLog& log : traces->old_logs) {
    logs.push_back({{"path", log.path}, {"bytes", log.bytes}, {"age_h", log.age.count()}});
    paths.push_back(log.path);
  }
  if (!paths.empty()) {
    check.note(counted(static_cast<std::int64_t>(paths.size()), "log") + " of daemons that are gone, untouched for a month or longer", "`" + remove_command(paths) + "`");
  }
  check.facts = {{"directory", view.runtime->path}, {"daemons", traces->served}, {"locks", traces->locks}, {"leftovers", leftovers}, {"old_logs", logs}};
  return check;
}

Check check_processors(const DoctorView& view) {
  Check check("processors");
  const int affinity = ctl::affinity_cpu_count();
  const int quota = ctl::cgroup_cpu_limit("/proc/self/cgroup", "/sys/fs/cgroup");
  const auto online = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  const std::int64_t workers = workers_of(view);
  const auto source = view.context.settings.sources.find("workers");
  const std::string by = source != view.context.settings.sources.end() ? " by " + short_path(view, source->second) : "";
  check.summary = counted(workers, "worker") + by + ": " + std::to_string(affinity) + " of " + counted(online, "processor") + " by affinity, " +
                  (quota > 0 ? std::to_string(quota) + " by the control group's quota" : "no quota");
  check.facts = {{"online", online}, {"affinity", affinity}, {"quota", quota > 0 ? Json(quota) : Json()}, {"usable", ctl::default_worker_count()}, {"workers", workers}};
  if (workers > ctl::default_worker_count()) {
    check.note(counted(workers, "worker") + " for " + counted(ctl::default_worker_count(), "processor") + " that pfast may use",
               "more workers than processors help only where tests wait; workers = \"auto\" takes what there is");
  }
  return check;
}

Check check_memory(const DoctorView& view) {
  Check check("memory");
  const std::int64_t machine = ctl::machine_memory_bytes();
  const std::int64_t own_budget = view.context.settings.memory_mib > 0 ? view.context.settings.memory_mib << 20 : machine / 2;
  const std::int64_t budget = view.explanation && view.explanation->memory_bytes > 0 ? view.explanation->memory_bytes : own_budget;
  const std::int64_t available = view.limits.memory_available_bytes;
  std::int64_t held = 0;
  std::int64_t largest = 0;
  for (const core::GenerationReport& generation : view.explanation ? view.explanation->generations : std::vector<core::GenerationReport>{}) {
    held += generation.status.rss_bytes;
    largest = std::max(largest, generation.status.rss_bytes);
  }
  check.facts = {{"machine_bytes", machine}, {"available_bytes", or_null(available)}, {"budget_bytes", budget}, {"held_bytes", held}};
  check.summary = "generations hold " + mebibytes_text(held) + " of " + mebibytes_text(budget) + " that they may; the machine has " + mebibytes_text(machine) +
                  (available >= 0 ? ", " + mebibytes_text(available) + " of it free" : "");
  if (held > budget) {
    check.problem("generations hold more than they may, so that only one is kept", "raise `memory` (MiB) in the settings, or collect less: name paths, or scope = \"asked\"");
  }
  if (available >= 0 && available < std::max<std::int64_t>(largest, 64 << 20)) {
    check.problem("little memory is free: the next generation may not fit", "end what is not needed; `pfast stop` ends this daemon, `pfast list` shows others");
  }
  return check;
}

Check check_limits(const DoctorView& view) {
  Check check("limits");
  const ctl::MachineLimits& limits = view.limits;
  const std::int64_t workers = workers_of(view);
  const std::int64_t processes = ::geteuid() == 0 ? -1 : limits.processes;
  check.summary = "open files " + limit_text(limits.descriptors) + " (hard: " + limit_text(limits.descriptors_hard) + ") · processes " +
                  limit_text(processes) + (limits.group_processes >= 0 ? " · control group " + std::to_string(limits.group_processes_used) + " of " + std::to_string(limits.group_processes) : "");
  check.facts = {{"descriptors", or_null(limits.descriptors)}, {"descriptors_hard", or_null(limits.descriptors_hard)},
                 {"processes", or_null(processes)}, {"processes_used", limits.processes_used},
                 {"group_processes", or_null(limits.group_processes)}, {"group_processes_used", limits.group_processes_used}};
  const std::int64_t files = workers + k_descriptors_besides_workers;   // of the daemon: a channel each, and itself
  if (limits.descriptors_hard >= 0 && limits.descriptors_hard < files) {
    check.problem("the daemon may open " + std::to_string(limits.descriptors_hard) + " files, and a run with " + counted(workers, "worker") + " takes some " + std::to_string(files),
                  "raise the hard limit (`ulimit -Hn`, /etc/security/limits.conf), or use fewer workers (-n)");
  }
  if (view.explanation) {
    const core::Explanation& daemon = *view.explanation;
    check.details = {"the daemon has " + std::to_string(daemon.descriptors) + " of " + std::to_string(daemon.descriptor_limit) + " descriptors open"};
    check.facts.update({{"daemon_descriptors", daemon.descriptors}, {"daemon_descriptor_limit", daemon.descriptor_limit}});
    if (daemon.descriptor_limit > 0 && daemon.descriptors > daemon.descriptor_limit * 4 / 5) {
      check.problem("the daemon has nearly no descriptors left", "`pfast restart`; should it happen again, report it with `pfast logs`");
    }
  }
  const std::int64_t more = workers + k_processes_besides_workers;
  if (processes >= 0 && limits.processes_used + more > processes) {
    check.problem("this user has " + std::to_string(limits.processes_used) + " processes and threads of " + std::to_string(processes) + "; a run adds " + std::to_string(more),
                  "raise the limit (`ulimit -u`), end what is not needed, or use fewer workers (-n)");
  }
  if (limits.group_processes >= 0 && limits.group_processes_used + more > limits.group_processes) {
    check.problem("the control group has " + std::to_string(limits.group_processes_used) + " of " + std::to_string(limits.group_processes) + " processes; a run adds " + std::to_string(more),
                  "give the container more (`--pids-limit`, TasksMax=), or use fewer workers (-n)");
  }
  return check;
}

}  // namespace pf::cli
