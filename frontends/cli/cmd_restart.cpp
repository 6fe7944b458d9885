// `pfast restart`: a new daemon takes the address over. Clients see a pause, none is refused; runs end where they began.
#include <cstdio>
#include <optional>
#include <string>

#include <pfcore/daemon_messages.hpp>
#include <pfctl/daemon_process.hpp>
#include <pfctl/lock.hpp>
#include <pfctl/v1_client.hpp>

#include "ask_daemon.hpp"
#include "commands.hpp"
#include "context.hpp"
#include "exit_codes.hpp"
#include "say.hpp"

namespace pf::cli {
namespace {

struct Predecessor {
  std::int64_t pid = 0;
  std::optional<double> ttl_s;     // its successor keeps it
};

std::optional<Predecessor> find_predecessor(const ctl::Address& address) {
  if (auto v1 = ctl::connect_to_v1_daemon(address); v1 && *v1) return Predecessor{(*v1)->peer().pid, std::nullopt};
  auto connection = connect_to_existing(address);
  if (!connection) return std::nullopt;
  Predecessor found;
  found.pid = connection->welcome().pid;
  const auto status = ask<core::StatusReply>(*connection, core::StatusRequest{}, k_patience);
  if (status && status->ttl_s > 0) found.ttl_s = status->ttl_s;
  return found;
}

}  // namespace

int restart_command(const RestartOptions& options) {
  int exit_code = 0;
  auto context = find_context(options.where, Purpose::run, exit_code);
  if (!context) return exit_code;
  const ctl::Address& address = context->address;
  // Whoever finds no daemon meanwhile waits for this one instead of starting another.
  const ctl::StartOptions usual = start_options(*context, std::nullopt);
  auto spawn_lock = ctl::FileLock::lock(address.dir.get(), address.spawn_lock, address.path_of(address.spawn_lock), usual.timeout);
  if (!spawn_lock) return refuse_connection(k_exit_not_started, *context, spawn_lock.error(), "");
  const std::optional<Predecessor> predecessor = find_predecessor(address);
  ctl::StartOptions start = start_options(*context, predecessor ? predecessor->ttl_s : std::nullopt);
  start.arguments.emplace_back("--take-over");
  const auto started = ctl::start_daemon(address, start);
  if (!started) {
    const int code = refuse_connection(k_exit_not_started, *context, started.error(), "`pfast logs` shows what the daemon said");
    if (predecessor) note("the old daemon goes on: pid " + std::to_string(predecessor->pid));
    return code;
  }
  const auto pid = static_cast<long long>(started->pid);
  if (predecessor) std::printf("restarted: pid %lld instead of %lld\n", pid, static_cast<long long>(predecessor->pid));
  else std::printf("started: pid %lld; there was no daemon\n", pid);
  return 0;
}

}  // namespace pf::cli
