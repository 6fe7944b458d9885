// `pfast serve`: the daemon itself with --foreground, else a starter that returns when the daemon is ready and warm.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include <pfctl/daemon.hpp>
#include <pfctl/daemon_process.hpp>
#include <pfctl/environment.hpp>

#include "commands.hpp"
#include "context.hpp"
#include "exit_codes.hpp"
#include "private_daemon.hpp"
#include "run_request.hpp"
#include "say.hpp"
#include "v1_daemon.hpp"
#include "warm_up.hpp"
#include "watcher.hpp"

namespace pf::cli {
namespace {

// A run of a version 1 client, which sends neither environment nor folder: this process', and what the settings say.
core::RunRequest v1_request(const Context& context, const ServeOptions& options) {
  core::RunOptions run;
  run.color = "no";
  run.dist = context.settings.dist;
  run.start_method = context.settings.start_method;
  run.boot_timeout_s = context.settings.boot_timeout_s;
  run.timeout_s = context.settings.timeout_s;
  run.retries = context.settings.retries;
  run.retry_delay_s = context.settings.retry_delay_s;
  run.flaky_fails = context.settings.flaky == "fail";
  core::RunRequest request = make_request(context, {}, std::move(run));
  if (!options.cwd.empty()) request.cwd = options.cwd;
  return request;
}

ctl::DaemonOptions daemon_options(Context& context, const ServeOptions& options, std::string forkserver) {
  ctl::DaemonOptions daemon;
  daemon.v1_request = v1_request(context, options);
  daemon.address = std::move(context.address);
  daemon.root = context.root;
  daemon.python = context.interpreter.executable;
  daemon.forkserver_path = std::move(forkserver);
  daemon.ready_fd = options.ready_fd;
  daemon.ttl = ctl::milliseconds_of(options.ttl_s.value_or(context.settings.ttl_s));
  daemon.default_workers = context.settings.workers > 0 ? static_cast<std::size_t>(context.settings.workers) : 0;
  daemon.take_over = options.take_over;
  daemon.memory_bytes = context.settings.memory_mib << 20;
  // A private daemon's suite is collected once: nobody edits within its one run.
  daemon.checkpoints = options.private_folder ? 0 : static_cast<std::size_t>(context.settings.checkpoints);
  daemon.scope_all = context.settings.scope == "all";
  daemon.session_plugins = context.settings.session_plugins;
  daemon.boot_deadline = ctl::milliseconds_of(context.settings.boot_timeout_s);
  return daemon;
}

int run_in_foreground(Context context, const ServeOptions& options) {
  std::string forkserver = find_forkserver(context.env);
  if (forkserver.empty() || ::access(forkserver.c_str(), X_OK) != 0) {
    // Whoever started this daemon tells the user; without --ready-fd the pipe is none.
    const std::string why = forkserver.empty() ? "pfast-forkserver is not beside " + ctl::own_executable()
                                               : "PFAST_FORKSERVER names '" + forkserver + "', which is no program";
    const std::string mend = "install pfast again, or name the file with PFAST_FORKSERVER";
    (options.ready_fd >= 0 ? ctl::ReadinessPipe(options.ready_fd) : ctl::ReadinessPipe()).fail(why + "; " + mend);
    return refuse(k_exit_not_started, why, mend);
  }
  const std::string folder = context.address.dir_path;
  const bool alive = options.owner_pid <= 0 || end_with_owner(options.owner_pid);
  // Before the daemon is there, which it waits for: what comes up later below a daemon is taken for a test's.
  const std::int64_t watcher = alive && options.with_watcher ? ensure_watcher(context) : 0;
  ctl::DaemonOptions daemon = daemon_options(context, options, std::move(forkserver));
  daemon.companion = watcher;
  const int code = alive ? ctl::run_daemon(std::move(daemon)) : 0;
  if (options.private_folder) remove_private_folder(folder);
  return code;
}

}  // namespace

int serve_command(const ServeOptions& options) {
  int exit_code = 0;
  if (options.foreground && !options.paths.empty()) {
    return refuse(k_exit_usage, "--foreground takes no paths", "the first run tells what is to be collected");
  }
  auto context = find_context(options.where, Purpose::run, exit_code);
  if (!context) return exit_code;
  if (options.foreground) return run_in_foreground(std::move(*context), options);
  if (const auto refused = refuse_v1_daemon(*context)) return *refused;
  ctl::ConnectOptions connecting;
  connecting.start = start_options(*context, options.ttl_s);
  auto connection = ctl::connect_to_daemon(context->address, connecting);
  if (!connection) return refuse_connection(k_exit_not_started, *context, connection.error(), "`pfast logs` shows what the daemon said");
  const bool started = connection->started_daemon();
  const auto pid = static_cast<long long>(connection->welcome().pid);
  // What does not work out is said, and is the next run's trouble: the daemon is ready.
  if (warm_up(*connection, *context, options.paths).exit_code != 0) note("the suite could not be collected ahead of time; the next run tries again");
  if (options.with_watcher) ensure_watcher(*context);
  std::printf("%s: pid %lld at %s\n", started ? "ready" : "already running", pid, context->address.socket_path().c_str());
  return 0;
}

}  // namespace pf::cli
