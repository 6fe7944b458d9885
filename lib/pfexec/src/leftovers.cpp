#include "leftovers.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string_view>

#include "pidfd.hpp"
#include "process_state.hpp"

namespace pf::exec {
namespace {

constexpr std::size_t k_name_length = 80;

std::string read_file(pid_t pid, const char* what) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/%s", static_cast<int>(pid), what);
  std::string out;
  if (std::FILE* file = std::fopen(path, "re")) {
    char buffer[4096];
    for (std::size_t got = 0; out.size() < 1u << 20 && (got = std::fread(buffer, 1, sizeof buffer, file)) > 0;) out.append(buffer, got);
    std::fclose(file);
  }
  return out;
}

// "pfast worker gw0: tests/test_a.py::test_b": a fork of ours that runs no other program has the title of the moment it was made in.
std::string test_in_title(std::string_view command) {
  const std::size_t end = command.find('\0');
  if (end != command.npos) command = command.substr(0, end);
  const std::size_t colon = command.find(": ");
  const bool is_ours = command.starts_with("pfast worker ") || command.starts_with("pfast run ");
  return is_ours && colon != command.npos ? std::string(command.substr(colon + 2)) : std::string();
}

// Any other program has the environment of the moment it was started in: "tests/test_a.py::test_b (call)".
std::string test_in_environment(std::string_view environment) {
  constexpr std::string_view k_key = "PYTEST_CURRENT_TEST=";
  while (!environment.empty()) {
    const std::string_view entry = environment.substr(0, environment.find('\0'));
    environment.remove_prefix(std::min(entry.size() + 1, environment.size()));
    if (!entry.starts_with(k_key)) continue;
    const std::string_view value = entry.substr(k_key.size());
    return std::string(value.substr(0, value.rfind(" (")));
  }
  return {};
}

std::string shown(std::string command) {
  while (!command.empty() && command.back() == '\0') command.pop_back();
  for (char& c : command) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  if (command.size() > k_name_length) command = command.substr(0, k_name_length) + "…";
  return command;
}

// Python's own helpers, which leave with the process that they serve; a busy machine may need longer for it.
bool is_pythons_own(std::string_view command) {
  return command.find("from multiprocessing.resource_tracker import") != command.npos ||
         command.find("from multiprocessing.forkserver import") != command.npos;
}

// Another worker's daemons come here, too, while that worker goes on. Those of this one are in its session, are forks with its
// title, or were started with its name in the environment; what tells nothing is left to the end of the run.
bool is_of(pid_t pid, const LeftBy& left_by) {
  if (left_by.worker == 0 || ::getsid(pid) == left_by.worker) return true;
  if (read_file(pid, "cmdline").starts_with("pfast worker " + left_by.name + ":")) return true;
  const std::string environment = '\0' + read_file(pid, "environ");
  const std::string entry = '\0' + ("PYTEST_XDIST_WORKER=" + left_by.name) + '\0';
  return environment.find(entry) != environment.npos;
}

std::vector<pid_t> left_over(const LeftBy& left_by) {
  std::vector<pid_t> pids = children_of_self();
  const auto is_spared = [&](pid_t pid) { return std::find(left_by.spared.begin(), left_by.spared.end(), pid) != left_by.spared.end(); };
  std::erase_if(pids, [&](pid_t pid) { return is_spared(pid) || !is_of(pid, left_by); });
  return pids;
}

// True while any of them lives.
bool reap(std::vector<pid_t>& pids) {
  std::erase_if(pids, [](pid_t pid) {
    int status = 0;
    const pid_t got = ::waitpid(pid, &status, WNOHANG);
    return got == pid || got < 0;
  });
  return !pids.empty();
}

void wait_for(std::vector<pid_t>& pids, int grace_ms) {
  const double end = monotonic_s() + grace_ms / 1000.0;
  while (reap(pids)) {
    const int left = static_cast<int>((end - monotonic_s()) * 1000);
    if (left <= 0) return;
    const core::UniqueFd pidfd = open_pidfd(pids.front());
    struct pollfd ended {pidfd.get(), POLLIN, 0};
    (void)::poll(&ended, 1, left);
  }
}

}  // namespace

std::vector<pid_t> children_of_self() {
  std::vector<pid_t> pids;
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/task/%d/children", static_cast<int>(::getpid()));
  if (std::FILE* file = std::fopen(path, "re")) {
    int pid = 0;
    while (std::fscanf(file, "%d", &pid) == 1) pids.push_back(pid);
    std::fclose(file);
  }
  return pids;
}

std::vector<Leftover> end_leftovers(const LeftBy& left_by, int grace_ms) {
  std::vector<Leftover> out;
  // A killed process' children come to this one, so a tree is gone after as many rounds as it is deep.
  for (int round = 0; round < 64; ++round) {
    std::vector<pid_t> pids = left_over(left_by);
    if (pids.empty()) break;
    if (round == 0 && grace_ms > 0) wait_for(pids, grace_ms);
    else (void)reap(pids);
    for (const pid_t pid : pids) {
      const std::string command = read_file(pid, "cmdline");
      std::string test = test_in_title(command);
      if (test.empty()) test = test_in_environment(read_file(pid, "environ"));
      std::string name = shown(command);
      if (!name.empty() && !is_pythons_own(command)) out.push_back({pid, std::move(name), std::move(test)});
      ::kill(pid, SIGKILL);
      int status = 0;
      (void)::waitpid(pid, &status, 0);
    }
  }
  return out;
}

}  // namespace pf::exec
