// pfast: thin. The command line is read here and handed to the subcommand's file.
#include <fcntl.h>

#include <csignal>
#include <exception>
#include <variant>

#include "commands.hpp"
#include "exit_codes.hpp"
#include "say.hpp"

namespace pf::cli {
namespace {

struct Dispatch {
  int operator()(const Answered& answered) const { return answered.exit_code; }
  int operator()(const RunOptions& options) const { return run_command(options); }
  int operator()(const ServeOptions& options) const { return serve_command(options); }
  int operator()(const StatusOptions& options) const { return status_command(options); }
  int operator()(const ListOptions& options) const { return list_command(options); }
  int operator()(const StopOptions& options) const { return stop_command(options); }
  int operator()(const LogsOptions& options) const { return logs_command(options); }
  int operator()(const RefreshOptions& options) const { return refresh_command(options); }
  int operator()(const DoctorOptions& options) const { return doctor_command(options); }
  int operator()(const RestartOptions& options) const { return restart_command(options); }
};

// Started with a standard stream closed, a socket of ours would take its number, and the run's output would go there.
void open_missing_streams() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) == -1) (void)::open("/dev/null", O_RDWR);   // the lowest free number: fd
  }
}

}  // namespace
}  // namespace pf::cli

int main(int argc, char** argv) {
  pf::cli::open_missing_streams();
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return std::visit(pf::cli::Dispatch{}, pf::cli::parse_command_line(argc, argv));
  } catch (const std::exception& bug) {
    return pf::cli::refuse(pf::cli::k_exit_internal, bug.what(), "this is a bug of pfast, or memory has run out");
  }
}
