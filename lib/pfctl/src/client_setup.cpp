#include <pfctl/client_setup.hpp>

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <utility>

namespace pf::ctl {
namespace {

std::string seconds_text(double seconds) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.9g", seconds);
  return text.data();
}

}  // namespace

StartOptions start_options(const DaemonSetup& setup) {
  StartOptions start;
  start.executable = setup.executable;
  start.env = setup.env;
  start.arguments = {"serve", "--foreground", "--root", setup.root, "--python", setup.python, "--cwd", setup.cwd};
  if (!setup.socket.empty()) start.arguments.insert(start.arguments.end(), {"--address", setup.socket});
  start.arguments.insert(start.arguments.end(), {"--ttl", seconds_text(setup.ttl_s)});
  return start;
}

core::RunOptions run_options(const Settings& settings) {
  core::RunOptions out;
  out.workers = settings.workers;
  out.dist = settings.dist;
  out.reporter = settings.reporter;
  out.start_method = settings.start_method;
  out.boot_timeout_s = settings.boot_timeout_s;
  out.timeout_s = settings.timeout_s;
  out.retries = settings.retries;
  out.retry_delay_s = settings.retry_delay_s;
  out.flaky_fails = settings.flaky == "fail";
  out.max_worker_restart = settings.max_worker_restart;
  out.nice = settings.nice;
  out.memory_floor_mib = settings.memory_floor_mib;
  out.hang_dump_s = settings.hang_dump_s;
  return out;
}

core::RunRequest make_request(const Settings& settings, core::OsStrings argv, std::string cwd, core::Environment env) {
  core::RunRequest request;
  request.argv = std::move(argv);
  if (!settings.mark.empty()) request.argv.insert(request.argv.begin(), {"-m", settings.mark});
  request.cwd = std::move(cwd);
  request.env = std::move(env);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  request.umask = mask;
  return request;
}

Complaint complaint_of(const core::Error& error) {
  Complaint complaint{"failed to " + error.message, {}};
  std::string& text = complaint.message;
  if (text.find('\n') != text.npos) return complaint;   // with the end of a log in it
  std::size_t end = text.rfind("; ");
  if (const std::size_t command = text.find('`'); end == text.npos && command != text.npos) end = text.rfind(": ", command);
  if (end == text.npos) return complaint;
  complaint.hint = text.substr(end + 2);
  text.resize(end);
  return complaint;
}

std::string current_folder() {
  std::array<char, PATH_MAX> path{};
  return ::getcwd(path.data(), path.size()) != nullptr ? std::string(path.data()) : std::string();
}

}  // namespace pf::ctl
