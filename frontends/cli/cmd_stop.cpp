// `pfast stop`: asks the daemon to leave and waits until its process has.
#include <poll.h>

#include <cstdio>

#include <pfctl/process_info.hpp>

#include "ask_daemon.hpp"
#include "commands.hpp"
#include "context.hpp"
#include "exit_codes.hpp"
#include "say.hpp"
#include "v1_daemon.hpp"

namespace pf::cli {

int stop_command(const StopOptions& options) {
  int exit_code = 0;
  auto context = find_context(options.where, Purpose::look, exit_code);
  if (!context) return exit_code;
  if (const auto code = stop_v1_daemon(*context, options)) return *code;
  auto connection = connect_to_existing(context->address);
  if (!connection) return refuse_connection(k_exit_no_daemon, *context, connection.error(), "`pfast list` shows the daemons that there are");
  const std::int64_t pid = connection->welcome().pid;
  const auto pidfd = ctl::open_pidfd(pid);
  core::ShutdownRequest request;
  request.now = options.now;
  // Without --now the daemon finishes its runs first, however long they take.
  if (auto bye = ask<core::ShutdownReply>(*connection, request, std::nullopt); !bye && bye.error().code != core::ErrorCode::closed) {
    return refuse(k_exit_no_daemon, bye.error());
  }
  if (pidfd) {
    struct pollfd end {pidfd->get(), POLLIN, 0};
    (void)::poll(&end, 1, -1);   // a signal ends this process, not the wait
  }
  std::printf("stopped: pid %lld\n", static_cast<long long>(pid));
  return 0;
}

}  // namespace pf::cli
