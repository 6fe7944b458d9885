// `pfast refresh`: collects now what the next run would collect, and answers when it is ready.
#include <cstdio>

#include "commands.hpp"
#include "context.hpp"
#include "exit_codes.hpp"
#include "say.hpp"
#include "v1_daemon.hpp"
#include "warm_up.hpp"

namespace pf::cli {

int refresh_command(const RefreshOptions& options) {
  int exit_code = 0;
  auto context = find_context(options.where, Purpose::run, exit_code);
  if (!context) return exit_code;
  if (const auto refused = refuse_v1_daemon(*context)) return *refused;
  ctl::ConnectOptions connecting;
  connecting.start = start_options(*context, std::nullopt);
  auto connection = ctl::connect_to_daemon(context->address, connecting);
  if (!connection) return refuse_connection(k_exit_not_started, *context, connection.error(), "`pfast logs` shows what the daemon said");
  const WarmUp done = warm_up(*connection, *context, options.paths);
  if (done.exit_code != 0) return done.exit_code;
  for (const core::RefreshedGeneration& generation : done.refreshed.generations) {
    if (generation.errors > 0) std::fwrite(generation.output.data(), 1, generation.output.size(), stderr);
    std::printf("generation %lld · %lld items · ", static_cast<long long>(generation.id), static_cast<long long>(generation.items));
    if (generation.booted) std::printf("collected in %.2f s · %s\n", generation.boot_s, generation.why.c_str());
    else std::printf("fresh\n");
  }
  return 0;
}

}  // namespace pf::cli
