#include "options.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "exit_codes.hpp"
#include "run_arguments.hpp"
#include "say.hpp"

namespace pf::cli {
namespace {

constexpr const char* k_epilogue =
    "Exit codes: pytest's own 0-5; 70 internal error, 71 no daemon answers, 72 the daemon could not be started,\n"
    "73 interpreter missing or of another version, 74 pytest missing or unsupported, 75 runtime directory not ours,\n"
    "76 unreadable configuration, 77 collection hung, 78 the daemon was lost in mid-run, 79 wrong option of pfast's own,\n"
    "80 `pfast doctor` found a problem;\n"
    "128 + n: ended by signal n.";

std::string check_workers(const std::string& text) {
  if (text == "auto") return {};
  char* end = nullptr;
  const long number = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || number < 0 || number > 4096) return "takes a number from 0 to 4096, or auto; not '" + text + "'";
  return {};
}

std::string check_seconds(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(number) || number <= 0 || number > 1e9) {
    return "takes a number of seconds above 0, not '" + text + "'";
  }
  return {};
}

std::string check_delay(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(number) || number < 0 || number > 1e6) {
    return "takes a number of seconds, 0 or more, not '" + text + "'";
  }
  return {};
}

std::optional<int> workers_from(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return text == "auto" ? -1 : std::atoi(text.c_str());
}

std::optional<double> seconds_from(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return std::strtod(text.c_str(), nullptr);
}

void add_where(CLI::App& app, Where& where) {
  app.add_option("--address", where.address, "Socket of the daemon, instead of the one that root and interpreter give")->type_name("PATH");
  app.add_option("--root", where.root, "Folder that names the daemon, instead of the one that is found")->type_name("DIR");
  app.add_option("--python", where.python, "Interpreter or virtual environment of the suite")->type_name("PATH");
}

void add_ttl(CLI::App& app, std::string& ttl) {
  app.add_option("--ttl", ttl, "Seconds after which an idle daemon leaves")->type_name("S")->check(check_seconds);
}

// Every subcommand's target; CLI11 fills it in while it parses.
struct Parsed {
  RunOptions run;
  std::string workers;
  std::string run_ttl;
  std::string timeout;
  std::string boot_timeout;
  std::string retry_delay;
  ServeOptions serve;
  std::string serve_ttl;
  StatusOptions status;
  ListOptions list;
  StopOptions stop;
  LogsOptions logs;
  RefreshOptions refresh;
  RestartOptions restart;
  DoctorOptions doctor;
};

CLI::App* add_run(CLI::App& app, Parsed& parsed) {
  CLI::App* sub = app.add_subcommand("run", "Runs tests; every argument that is not pfast's own goes to pytest");
  RunOptions& run = parsed.run;
  sub->allow_extras();
  sub->set_help_flag("--help", "This text (pytest's own: `pfast run -h` or `pfast run -- --help`)");
  add_where(*sub, run.where);
  sub->add_option("-n,--workers", parsed.workers, "Processes that run items: a number, auto, or 0 for the controller on this terminal")
      ->type_name("N|auto")
      ->check(check_workers);
  sub->add_option("--dist", run.dist, "How items are distributed")
      ->check(CLI::IsMember({"auto", "load", "loadfile", "loadscope", "loadgroup", "worksteal"}));
  sub->add_option("--reporter", run.reporter, "Who prints: pfast (native) or pytest itself (pytest)")->check(CLI::IsMember({"native", "pytest"}));
  sub->add_option("--start-method", run.start_method, "How workers come to be: forks of the warm suite (forkserver), of one collected for this run (fork), processes that collect "
                                                        "for themselves (spawn), or that only when forks cannot have what importing started (auto)")
      ->check(CLI::IsMember({"forkserver", "fork", "spawn", "auto"}));
  add_ttl(*sub, parsed.run_ttl);
  sub->add_option("--boot-timeout", parsed.boot_timeout, "Seconds that collecting the suite may take (120)")->type_name("S")->check(check_seconds);
  sub->add_option("--timeout", parsed.timeout, "Seconds that one test may take")->type_name("S")->check(check_seconds);
  sub->add_option("--retries", run.retries, "Times that a failed test is tried again; one that passes then is flaky")->check(CLI::Range(0, 1000));
  sub->add_option("--retry-delay", parsed.retry_delay, "Seconds between two tries")->type_name("S")->check(check_delay);
  sub->add_option("--flaky", run.flaky, "What a flaky test counts as: pass (default) or fail")->check(CLI::IsMember({"pass", "fail"}));
  sub->add_option("--max-worker-restart", run.max_worker_restart, "Lost workers that are replaced; one more ends the run")
      ->check(CLI::Range(0, 1000000));
  sub->add_option("--nice", run.nice, "Niceness of the processes that run tests")->check(CLI::Range(0, 19));
  sub->add_option("--runs", run.runs, "Times that the selection is run, one after the other; the exit code is the worst")
      ->check(CLI::Range(1, 1000000));
  sub->add_option("--dump", run.dump, "Writes {node id: outcome} as JSON ('-': stdout, and all other text to stderr)")->type_name("FILE");
  sub->add_option("--events", run.events, "Writes every event as a line of JSON ('-' as for --dump)")->type_name("FILE");
  sub->add_flag("--no-daemon", run.no_daemon, "Collects for this run only and leaves nothing behind");
  sub->add_flag("--with-watcher", run.with_watcher, "Starts pfast-watch for the daemon, unless it has one: the next run is warm before it is asked for");
  sub->add_flag("--full-report", run.full_report, "Events carry pytest's serialised reports");
  sub->add_flag("--verbose-plan", run.verbose_plan, "Says which way the options took and why, and where the time went");
  sub->add_flag("--detailed", run.detailed, "Tells where the time went, why, and how many workers the suite is worth");
  sub->add_flag("--bench{2}", run.bench.runs, "Runs the suite N times (2), the first one as a warm-up, and tells what to save time on")
      ->type_name("N")
      ->check(CLI::Range(1, 10000));
  sub->add_option("--bench-save", run.bench.save, "Writes what --bench measured as JSON; 6 runs unless --bench=N says otherwise")->type_name("FILE");
  sub->add_option("--bench-compare", run.bench.compare,
                  "Tells which tests take longer or shorter than in FILE, and what is noise; given twice, two files without a run")
      ->type_name("FILE")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  sub->add_flag("--print-inferred-workers", run.print_inferred_workers, "Prints the number of workers that a run would have, and ends");
  sub->footer(k_epilogue);
  return sub;
}

CLI::App* add_serve(CLI::App& app, Parsed& parsed) {
  CLI::App* sub = app.add_subcommand("serve", "Starts the daemon, collects, and returns when it is ready");
  add_where(*sub, parsed.serve.where);
  sub->add_flag("--foreground", parsed.serve.foreground, "Stays in the foreground; collects when the first run comes");
  sub->add_flag("--with-watcher", parsed.serve.with_watcher, "Starts pfast-watch, too: what changes is collected ahead of the next run");
  add_ttl(*sub, parsed.serve_ttl);
  sub->add_option("paths", parsed.serve.paths, "What to collect at once; everything when there is none");
  sub->add_option("--ready-fd", parsed.serve.ready_fd)->group("");
  sub->add_option("--cwd", parsed.serve.cwd)->group("");
  sub->add_flag("--take-over", parsed.serve.take_over)->group("");
  sub->add_option("--owner-pid", parsed.serve.owner_pid)->group("");
  sub->add_flag("--private-folder", parsed.serve.private_folder)->group("");
  return sub;
}

struct Commands {
  CLI::App* run;
  CLI::App* serve;
  CLI::App* status;
  CLI::App* list;
  CLI::App* stop;
  CLI::App* logs;
  CLI::App* refresh;
  CLI::App* restart;
  CLI::App* doctor;
};

Commands add_commands(CLI::App& app, Parsed& parsed) {
  Commands commands{};
  commands.run = add_run(app, parsed);
  commands.serve = add_serve(app, parsed);
  commands.status = app.add_subcommand("status", "Shows the daemon, its generations, runs and clients");
  add_where(*commands.status, parsed.status.where);
  commands.status->add_flag("--json", parsed.status.json, "As one JSON object");
  commands.list = app.add_subcommand("list", "Lists the daemons of this user's runtime directory");
  commands.list->add_flag("--json", parsed.list.json, "As a JSON array");
  commands.stop = app.add_subcommand("stop", "Ends the daemon once its runs are over, and waits for that");
  add_where(*commands.stop, parsed.stop.where);
  commands.stop->add_flag("--now", parsed.stop.now, "Cancels what runs");
  commands.logs = app.add_subcommand("logs", "Prints the daemon's log");
  add_where(*commands.logs, parsed.logs.where);
  commands.logs->add_flag("-f,--follow", parsed.logs.follow, "Goes on as the log grows");
  commands.refresh = app.add_subcommand("refresh", "Collects now what the next run would collect, and replaces what is stale");
  add_where(*commands.refresh, parsed.refresh.where);
  commands.refresh->add_option("paths", parsed.refresh.paths, "What to collect; everything when there is none");
  commands.restart = app.add_subcommand("restart", "Puts a new daemon in the place of the one that serves; no client is refused");
  add_where(*commands.restart, parsed.restart.where);
  commands.doctor = app.add_subcommand("doctor", "Looks for what is wrong with this machine and this suite, and says what to do");
  add_where(*commands.doctor, parsed.doctor.where);
  commands.doctor->add_flag("--json", parsed.doctor.json, "As one JSON object");
  commands.doctor->add_flag("--collect", parsed.doctor.collect, "Collects the whole suite first, as `pfast refresh` does");
  return commands;
}

// Help and version are CLI11's to print; an error is said in pfast's form.
Answered answer(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return {app.exit(error)};
  return {refuse(k_exit_usage, error.what(), "`pfast --help` and `pfast run --help` list commands and options")};
}

Command finish_run(Parsed parsed, const std::vector<std::string>& left_over, const RunArguments& arguments) {
  RunOptions run = std::move(parsed.run);
  run.workers = workers_from(parsed.workers);
  run.ttl_s = seconds_from(parsed.run_ttl);
  run.timeout_s = seconds_from(parsed.timeout);
  run.boot_timeout_s = seconds_from(parsed.boot_timeout);
  run.retry_delay_s = seconds_from(parsed.retry_delay);
  run.pytest_args = arguments.for_pytest(left_over);
  return run;
}

}  // namespace

Command parse_command_line(int argc, char** argv) {
  CLI::App app("pfast runs pytest suites through a warm, paused pytest.", "pfast");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.set_version_flag("--version", std::string("pfast ") + PF_VERSION);
  app.footer(k_epilogue);
  app.require_subcommand(0, 1);
  Parsed parsed;
  const Commands commands = add_commands(app, parsed);

  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  const std::string command = words.empty() ? std::string() : words.front();
  const bool is_run = command == "run";
  const RunArguments arguments(is_run ? std::vector<std::string>(words.begin() + 1, words.end()) : std::vector<std::string>());
  if (is_run) words = arguments.visible();
  if (is_run) words.insert(words.begin(), command);
  std::reverse(words.begin(), words.end());   // as CLI11 takes a vector
  try {
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    return answer(app, error);
  }
  if (*commands.run) return finish_run(std::move(parsed), commands.run->remaining(), arguments);
  parsed.serve.ttl_s = seconds_from(parsed.serve_ttl);
  if (*commands.serve) return parsed.serve;
  if (*commands.status) return parsed.status;
  if (*commands.list) return parsed.list;
  if (*commands.stop) return parsed.stop;
  if (*commands.logs) return parsed.logs;
  if (*commands.refresh) return parsed.refresh;
  if (*commands.restart) return parsed.restart;
  if (*commands.doctor) return parsed.doctor;
  std::fputs(app.help().c_str(), stdout);
  return Answered{0};
}

}  // namespace pf::cli
