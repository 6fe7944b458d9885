// `pfast doctor`: this machine and this suite, what is wrong with them, and what to do about it.
#include <cstdio>

#include "commands.hpp"
#include "doctor_view.hpp"
#include "exit_codes.hpp"

namespace pf::cli {

int doctor_command(const DoctorOptions& options) {
  int exit_code = 0;
  const auto view = look_around(options, exit_code);
  if (!view) return exit_code;
  DoctorReport report{view->context.root, {}};
  for (const auto check : {check_installation, check_interpreter, check_settings, check_runtime, check_processors, check_memory, check_limits,
                           check_daemon, check_generations, check_watch, check_threads, check_connections}) {
    report.checks.push_back(check(*view));
  }
  if (options.json) std::printf("%s\n", doctor_json(report).dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  else std::fputs(doctor_text(report).c_str(), stdout);
  return count(report, Level::problem) > 0 ? k_exit_problems : 0;
}

}  // namespace pf::cli
