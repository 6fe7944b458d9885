// One function a subcommand; each returns the exit code.
#pragma once

#include "options.hpp"

namespace pf::cli {

int run_command(const RunOptions& options);
int serve_command(const ServeOptions& options);
int status_command(const StatusOptions& options);
int list_command(const ListOptions& options);
int stop_command(const StopOptions& options);
int logs_command(const LogsOptions& options);
int refresh_command(const RefreshOptions& options);
int doctor_command(const DoctorOptions& options);
int restart_command(const RestartOptions& options);

}  // namespace pf::cli
