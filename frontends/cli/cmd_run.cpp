// `pfast run`: settings, connection, request, and as many runs as were asked for.
#include <chrono>
#include <cstdio>
#include <optional>
#include <utility>

#include <pfcore/detailed_report.hpp>
#include <pfctl/client_setup.hpp>
#include <pfctl/environment.hpp>
#include <pfctl/terminal_info.hpp>
#include <pfctl/worker_count.hpp>

#include "bench_run.hpp"
#include "commands.hpp"
#include "context.hpp"
#include "exit_codes.hpp"
#include "private_daemon.hpp"
#include "run_request.hpp"
#include "run_session.hpp"
#include "say.hpp"
#include "v1_daemon.hpp"
#include "watcher.hpp"

namespace pf::cli {
namespace {

bool is_set(const Context& context, std::string_view variable) { return ctl::find_env_text(context.env, variable).has_value(); }

// The option, else the setting, where both may say so.
const std::string& dump_of(const Context& context, const RunOptions& options) {
  return options.dump.empty() ? context.settings.dump : options.dump;
}

PytestArgs read_all_args(const Context& context, const RunOptions& options) {
  std::vector<std::string> arguments = split_words(ctl::find_env(context.env, "PYTEST_ADDOPTS").value_or(""));
  arguments.insert(arguments.end(), options.pytest_args.begin(), options.pytest_args.end());
  return read_pytest_args(arguments);
}

core::RunOptions run_options(const Context& context, const RunOptions& options, const PytestArgs& args) {
  core::RunOptions out = ctl::run_options(context.settings);
  out.workers = args.interactive ? 0 : options.workers.value_or(static_cast<int>(out.workers));
  out.dist = options.dist.value_or(out.dist);
  out.reporter = options.reporter.value_or(out.reporter);
  // With the items on the client's terminal, or a command whose purpose is printing, pytest prints for itself.
  if (!options.reporter && (out.workers == 0 || args.prints)) out.reporter = "pytest";
  out.start_method = options.start_method.value_or(out.start_method);
  out.boot_timeout_s = options.boot_timeout_s.value_or(out.boot_timeout_s);
  out.timeout_s = options.timeout_s.value_or(out.timeout_s);
  out.retries = options.retries.value_or(out.retries);
  out.retry_delay_s = options.retry_delay_s.value_or(out.retry_delay_s);
  if (options.flaky) out.flaky_fails = *options.flaky == "fail";
  out.max_worker_restart = options.max_worker_restart.value_or(out.max_worker_restart);
  out.nice = options.nice.value_or(out.nice);
  out.full_report = options.full_report;
  out.verbose_plan = options.verbose_plan;
  if (options.detailed) out.measure = "times";
  return out;
}

void fill_style(core::TextStyle& style, const Context& context, const PytestArgs& args, const core::TerminalInfo& terminal) {
  style.color = wants_color(context.env, args.color.value_or("auto"), terminal.stdout_is_tty);
  style.columns = static_cast<int>(terminal.columns);
  style.rootdir = context.root;
  style.cwd = context.cwd;
  if (args.rootdir) style.rootdir = args.rootdir->starts_with('/') ? *args.rootdir : context.cwd + '/' + *args.rootdir;
  style.full_reasons = is_set(context, "CI") || is_set(context, "BUILD_NUMBER");
}

std::string python_of(const Context& context) {
  return std::to_string(context.interpreter.major) + '.' + std::to_string(context.interpreter.minor);
}

std::string title_of(const Context& context) {
  return std::string("pfast ") + PF_VERSION + " · python " + python_of(context) + " · root " + context.root;
}

RunSetup make_setup(const Context& context, const RunOptions& options) {
  RunSetup setup;
  PytestArgs args = read_all_args(context, options);
  const std::string& dump = dump_of(context, options);
  setup.reporter.out = dump == "-" || options.events == "-" ? 2 : 1;
  core::RunRequest& request = setup.request;
  request = make_request(context, options.pytest_args, run_options(context, options, args));
  request.terminal = ctl::look_at_terminal(context.env, 0, setup.reporter.out, 2);
  fill_style(args.style, context, args, request.terminal);
  // What the terminal and the environment say, and --color as far as it was read here: the session reads it again.
  request.options.color = args.style.color ? "yes" : "no";

  setup.native = request.options.reporter == "native";
  setup.verbose_plan = options.verbose_plan;
  setup.keep_outcomes = !dump.empty();
  // With -s the tests write to the terminal themselves, and would write over the line.
  setup.reporter.live = setup.native && request.terminal.stdout_is_tty && args.captures &&
                        ctl::find_env(context.env, "TERM").value_or("") != "dumb";
  setup.reporter.title = title_of(context);
  setup.reporter.args = std::move(args);
  return setup;
}

core::Result<ctl::ClientConnection> connect(const Context& context, const RunOptions& options) {
  ctl::ConnectOptions connecting;
  // A private daemon was started already; another one would outlive this process.
  connecting.may_start = !options.no_daemon;
  connecting.start = start_options(context, options.ttl_s);
  return ctl::connect_to_daemon(context.address, connecting);
}

struct RunsResult {
  int exit_code = 0;
  Outcomes outcomes;      // of the last run
};

RunsResult run_repeatedly(const Context& context, const RunOptions& options, EventWriter* events, ctl::SignalChannel* signals) {
  RunsResult result;
  std::optional<ctl::SignalChannel> own_signals;
  for (int turn = 0; turn < options.runs; ++turn) {
    const auto begun = std::chrono::steady_clock::now();
    auto connection = connect(context, options);
    if (!connection) {
      result.exit_code = refuse_connection(k_exit_not_started, context, connection.error(), "`pfast logs` shows what the daemon said");
      return result;
    }
    // Not before: a client that waits for another one's daemon to start must be easy to interrupt.
    if (signals == nullptr) signals = &own_signals.emplace();
    RunSetup setup = make_setup(context, options);
    setup.reporter.connect_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun).count();
    core::RunFigures figures;
    if (options.detailed) setup.figures = &figures;
    const core::DetailedStyle style{setup.reporter.args.style};
    const int out = setup.reporter.out;
    RunSession session(*connection, *signals, std::move(setup), events);
    const int code = session.run();
    if (options.detailed) write_to(out, core::detailed_text(figures, style));
    result.outcomes = session.outcomes();
    result.exit_code = worse_of(result.exit_code, code);
    if (code == k_exit_interrupted || code >= k_exit_internal) break;
  }
  return result;
}

// A file that could not be written makes a green run red, and leaves a red one as it is.
int after_write(const core::Status& written, int exit_code) {
  if (written) return exit_code;
  refuse(k_exit_internal, written.error(), "the tests ran, and their own result stands above");
  return exit_code == 0 ? k_exit_internal : exit_code;
}

// Two of them in one place would leave neither readable.
std::optional<int> refuse_one_place(const Context& context, const RunOptions& options) {
  const std::string& dump = dump_of(context, options);
  if (dump.empty() || dump != options.events) return std::nullopt;
  return refuse(k_exit_usage, "--dump and --events would both be written to " + (dump == "-" ? "stdout" : "'" + dump + "'"),
                "give one of them another file");
}

int run_all(const Context& context, const RunOptions& options, ctl::SignalChannel* signals) {
  if (const auto refused = refuse_one_place(context, options)) return *refused;
  EventWriter events;
  if (!options.events.empty()) {
    if (auto opened = events.open(options.events); !opened) return refuse(k_exit_usage, opened.error(), "--events takes a file that can be written");
  }
  const RunsResult result = run_repeatedly(context, options, options.events.empty() ? nullptr : &events, signals);
  const std::string& dump = dump_of(context, options);
  int exit_code = result.exit_code;
  if (!dump.empty()) exit_code = after_write(write_dump(dump, result.outcomes), exit_code);
  return after_write(events.close(), exit_code);
}

// ---------------------------------------------------------------- --bench

int bench(const Context& context, RunOptions options, ctl::SignalChannel* signals) {
  options.reporter = "native";   // whatever the settings say: the report is pfast's own
  EventWriter events;
  if (!options.events.empty()) {
    if (auto opened = events.open(options.events); !opened) return refuse(k_exit_usage, opened.error(), "--events takes a file that can be written");
  }
  std::optional<ctl::SignalChannel> own_signals;
  Outcomes outcomes;
  const RunSetup any = make_setup(context, options);
  const auto run = [&](const BenchTurn& turn) {
    BenchTurnResult result;
    auto connection = connect(context, options);
    if (!connection) {
      result.exit_code = refuse_connection(k_exit_not_started, context, connection.error(), "`pfast logs` shows what the daemon said");
      result.ended = true;
      return result;
    }
    if (signals == nullptr) signals = &own_signals.emplace();
    RunSetup setup = make_setup(context, options);
    setup.request.options.measure = turn.measure;
    setup.request.options.nodeids = turn.only;
    setup.reporter.mute = true;
    setup.reporter.label = turn.label;
    setup.figures = &result.figures;
    RunSession session(*connection, *signals, std::move(setup), options.events.empty() ? nullptr : &events);
    result.exit_code = session.run();
    result.ended = result.exit_code == k_exit_interrupted || result.exit_code >= k_exit_internal;
    if (turn.only.empty()) outcomes = session.outcomes();
    return result;
  };
  int exit_code = run_bench(options.bench, any.reporter.args.style, python_of(context), any.reporter.out, run);
  const std::string& dump = dump_of(context, options);
  if (!dump.empty()) exit_code = after_write(write_dump(dump, outcomes), exit_code);
  return after_write(events.close(), exit_code);
}

int run_or_bench(const Context& context, const RunOptions& options, ctl::SignalChannel* signals) {
  return wants_bench(options.bench) ? bench(context, options, signals) : run_all(context, options, signals);
}

int print_workers(const RunOptions& options) {
  int exit_code = 0;
  const auto context = find_settings(options.where, Purpose::run, exit_code);
  if (!context) return exit_code;
  const std::int64_t wanted = options.workers ? *options.workers : context->settings.workers;
  std::printf("%lld\n", static_cast<long long>(wanted >= 0 ? wanted : ctl::default_worker_count()));
  return 0;
}

}  // namespace

int run_command(const RunOptions& options) {
  if (options.print_inferred_workers) return print_workers(options);
  int exit_code = 0;
  auto context = find_context(options.where, Purpose::run, exit_code);
  if (!context) return exit_code;
  const RunSetup any = make_setup(*context, options);
  const std::string conflict = find_bench_conflict(options, any.request.options.workers != 0);
  if (!conflict.empty()) return refuse(k_exit_usage, conflict);
  if (options.bench.compare.size() == 2) return compare_files(options.bench, any.reporter.args.style, any.reporter.out);
  if (options.no_daemon && options.with_watcher) return refuse(k_exit_usage, "--no-daemon leaves nothing that a watcher could keep warm", "give one of --no-daemon and --with-watcher");
  if (!options.no_daemon) {
    if (const auto code = run_on_v1_daemon(*context, options)) {
      if (options.with_watcher) ensure_watcher(*context);
      return *code;
    }
    const int code = run_or_bench(*context, options, nullptr);
    if (options.with_watcher) ensure_watcher(*context);
    return code;
  }
  ctl::SignalChannel signals;   // from before there is a folder to be left behind until it is gone
  const auto daemon = PrivateDaemon::start(*context);
  if (!daemon) return refuse(k_exit_not_started, daemon.error());
  return run_or_bench(*context, options, &signals);
}

}  // namespace pf::cli
