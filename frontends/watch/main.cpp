// pfast-watch: thin. Where it stands and what it was told; pfctl does the watching.
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <pfctl/daemon_log.hpp>
#include <pfctl/environment.hpp>
#include <pfctl/rerun_service.hpp>
#include <pfctl/watch_service.hpp>

#include "context.hpp"
#include "exit_codes.hpp"
#include "options_watch.hpp"
#include "run_facts.hpp"
#include "run_request.hpp"
#include "say.hpp"

namespace pf::watch {
namespace {

// The predecessor reads these with float() and sleeps so long: what neither takes is an error there, too.
std::optional<std::string> fault_of_seconds(const core::Environment& env, std::string_view name, bool may_be_negative) {
  const auto text = ctl::find_env(env, name);
  if (!text) return std::nullopt;
  const std::string value(*text);
  char* end = nullptr;
  const double number = std::strtod(value.c_str(), &end);
  while (end != value.c_str() && (*end == ' ' || *end == '\t' || *end == '\n')) ++end;
  if (end == value.c_str() || *end != '\0' || value.find_first_of("xXpP") != value.npos) {
    return std::string(name) + ": could not convert string to float: '" + value + "'";
  }
  if (std::isfinite(number) && (may_be_negative || number >= 0)) return std::nullopt;
  return std::string(name) + " is '" + value + "': " + (std::isfinite(number) ? "sleep length must be non-negative" : "it must be a finite number of seconds");
}

int refuse_seconds(const core::Environment& env) {
  for (const auto& [name, may_be_negative] : {std::pair("PYTEST_FAST_WATCH_POLL", false), std::pair("PYTEST_FAST_WATCH_DEBOUNCE", true)}) {
    if (const auto fault = fault_of_seconds(env, name, may_be_negative)) {
      return cli::refuse(cli::k_exit_configuration, *fault, "set it to a number of seconds, or unset it");
    }
  }
  return 0;
}

double seconds_of(const core::Environment& env, std::string_view name, double otherwise) {
  const auto text = ctl::find_env(env, name);
  return text ? std::strtod(std::string(*text).c_str(), nullptr) : otherwise;
}

ctl::WatchOptions watch_options(cli::Context& context) {
  ctl::WatchOptions watch;
  watch.root = context.root;
  watch.debounce = ctl::milliseconds_of(seconds_of(context.env, "PYTEST_FAST_WATCH_DEBOUNCE", context.settings.watch_debounce_s));
  watch.poll = ctl::milliseconds_of(seconds_of(context.env, "PYTEST_FAST_WATCH_POLL", context.settings.watch_poll_s));
  watch.folders = context.settings.watch_dirs;
  watch.files = context.settings.watch_files;
  watch.warm = cli::make_request(context, {}, {});
  return watch;
}

int serve(cli::Context context) {
  auto lock = ctl::lock_watcher(context.address);
  if (!lock) return cli::refuse(cli::k_exit_runtime_dir, lock.error());
  ctl::DaemonLog log;
  if (!lock->has_value()) {
    log.line("another watcher already holds the lock: leaving");
    return 0;
  }
  ctl::WatchOptions watch = watch_options(context);
  watch.say = [&log](std::string_view text) { log.line(text); };
  watch.show = [&log](std::string_view text) { log.raw(text); };
  watch.staging = [&context](const ctl::Address& staging) {
    ctl::StartOptions start = cli::start_options(context, std::nullopt);
    start.arguments = {"serve", "--foreground", "--root", context.root, "--python", context.interpreter.executable, "--cwd", context.cwd,
                       "--address", staging.socket_path()};
    return start;
  };
  auto place = ctl::clone(context.address);
  if (!place) return cli::refuse(cli::k_exit_internal, place.error());
  watch.address = std::move(*place);
  auto end = ctl::run_watch_service(std::move(watch));
  if (!end) return cli::refuse(cli::k_exit_internal, end.error());
  if (*end == ctl::WatchEnd::no_daemon) {
    return cli::refuse(cli::k_exit_no_daemon, "no daemon answers at " + context.address.socket_path(), "`pfast serve --with-watcher` starts both");
  }
  if (*end == ctl::WatchEnd::daemon_gone) log.line("the daemon is gone: leaving");
  return 0;
}

// The options of `pfast run` that lead to the daemon of this context.
core::OsStrings where_options(const cli::Where& where) {
  core::OsStrings out;
  const auto add = [&out](const char* name, const std::string& value) {
    if (!value.empty()) out.insert(out.end(), {name, value});
  };
  add("--address", where.address);
  add("--root", where.root);
  add("--python", where.python);
  return out;
}

int rerun(cli::Context context, const Options& options) {
  for (const std::string& text : options.arguments) {
    if (text == "--events" || text.starts_with("--events=") || text == "--no-daemon") {
      return cli::refuse(cli::k_exit_usage, "--rerun reads the events of its runs from a daemon, and cannot be told " + text, "use `pfast run " + text + "`");
    }
  }
  ctl::RerunOptions rerun;
  rerun.connecting.start = cli::start_options(context, std::nullopt);
  if (ctl::find_env(context.env, "PYTEST_FAST_WATCH_DEBOUNCE")) rerun.debounce = ctl::milliseconds_of(context.settings.watch_debounce_s);
  rerun.poll = ctl::milliseconds_of(context.settings.watch_poll_s);
  rerun.executable = cli::find_program("pfast");
  rerun.where = where_options(options.where);
  rerun.arguments = options.arguments;
  rerun.cwd = context.cwd;
  rerun.env = context.env;
  rerun.keys = ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
  rerun.say = [](std::string_view text) {
    std::printf("pfast-watch: %.*s\n", static_cast<int>(text.size()), text.data());
    std::fflush(stdout);
  };
  rerun.read_events = read_events;
  auto place = ctl::clone(context.address);
  if (!place) return cli::refuse(cli::k_exit_internal, place.error());
  rerun.address = std::move(*place);
  auto code = ctl::run_reruns(std::move(rerun));
  return code ? *code : cli::refuse_connection(cli::k_exit_not_started, context, code.error(), "`pfast logs` shows what the daemon said");
}

int run(const Options& options) {
  int exit_code = 0;
  auto context = cli::find_context(options.where, cli::Purpose::run, exit_code);
  if (!context) return exit_code;
  if (const int refused = refuse_seconds(context->env); refused != 0) return refused;
  return options.rerun ? rerun(std::move(*context), options) : serve(std::move(*context));
}

}  // namespace
}  // namespace pf::watch

int main(int argc, char** argv) {
  try {
    auto parsed = pf::watch::parse_command_line(argc, argv);
    if (const auto* const answered = std::get_if<pf::cli::Answered>(&parsed)) return answered->exit_code;
    return pf::watch::run(std::get<pf::watch::Options>(parsed));
  } catch (const std::exception& bug) {
    return pf::cli::refuse(pf::cli::k_exit_internal, bug.what(), "this is a bug of pfast, or memory has run out");
  }
}
