#include <pfctl/daemon_process.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <string_view>
#include <utility>

#include <pfcore/frame_socket.hpp>
#include <pfctl/interpreter.hpp>
#include <pfctl/log_file.hpp>
#include <pfctl/run_state.hpp>

#include "spawn.hpp"
#include "text.hpp"

namespace pf::ctl {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view k_ready = "ready\n";
constexpr std::size_t k_max_answer_bytes = 64 * 1024;
constexpr std::size_t k_tail_bytes = 2048;
constexpr std::chrono::milliseconds k_last_words{2000};
constexpr std::chrono::milliseconds k_terminate_grace{1000};

void mark_restart(int log_fd) {
  std::array<char, 64> stamp;
  const std::time_t now = std::time(nullptr);
  struct tm parts {};
  ::localtime_r(&now, &parts);
  const std::size_t length = std::strftime(stamp.data(), stamp.size(), "---- %Y-%m-%d %H:%M:%S ", &parts);
  const std::string line = std::string(stamp.data(), length) + "pfast " PF_VERSION " is started by process " +
                           std::to_string(::getpid()) + " ----\n";
  (void)!::write(log_fd, line.data(), line.size());   // a full disk fails no run
}

struct Answer {
  std::string text;
  bool ended = false;       // the other end was closed
};

// Everything that the daemon says until it is ready, closes the channel, or the deadline passes.
Answer read_answer(int fd, Clock::time_point deadline) {
  Answer answer;
  std::array<char, 4096> buffer;
  while (answer.text != k_ready && answer.text.size() < k_max_answer_bytes) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return answer;
    struct pollfd readable {fd, POLLIN, 0};
    if (::poll(&readable, 1, static_cast<int>(std::min<long long>(left, 1'000'000))) <= 0) continue;
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) {
      answer.ended = true;
      return answer;
    }
    answer.text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return answer;
}

std::string with_log_tail(const Address& address, std::string message) {
  message += " (log: " + address.path_of(address.log) + ")";
  // This start's part of it.
  std::string tail = log_tail(address, k_tail_bytes);
  if (const std::size_t marker = tail.rfind("\n---- "); marker != tail.npos) tail.erase(0, marker + 1);
  if (tail.starts_with("---- ")) tail.erase(0, std::min(tail.find('\n'), tail.size() - 1) + 1);
  const std::string_view shown = text::trimmed(tail);
  if (!shown.empty()) message.append("; its last lines:\n").append(shown);
  return message;
}

core::Error died(const Address& address, pid_t pid) {
  const auto status = wait_for_exit(pid, k_last_words);
  std::string how = !status ? "it closed the readiness channel and lives on" : *status == -1 ? "nobody saw how"
                                                                             : describe_wait_status(*status);
  if (!status) terminate(pid, k_terminate_grace);
  return text::error(core::ErrorCode::closed, with_log_tail(address, "start the daemon: it ended before it was ready: " + how));
}

core::Error too_slow(const Address& address, pid_t pid, std::chrono::milliseconds timeout) {
  terminate(pid, k_terminate_grace);
  return text::error(core::ErrorCode::timed_out,
                     with_log_tail(address, "start the daemon: it was not ready within " + std::to_string(timeout.count()) + " ms"));
}

core::Error refused(const Address& address, pid_t pid, const std::string& words) {
  // It is on its way out. One that stays is no daemon either.
  if (!wait_for_exit(pid, k_last_words)) terminate(pid, k_terminate_grace);
  const std::string_view text = text::trimmed(words);
  return text::error(core::ErrorCode::refused,
                     "start the daemon: " + std::string(text) + " (log: " + address.path_of(address.log) + ")");
}

}  // namespace

core::Result<StartedDaemon> start_daemon(const Address& address, const StartOptions& options) {
  const auto deadline = Clock::now() + options.timeout;
  auto log = open_log(address);
  if (!log) return std::move(log).error();
  mark_restart(log->get());
  // A socket pair and not a pipe: a daemon that says "ready" to a starter who has left must not meet SIGPIPE.
  auto channel = core::make_socket_pair();
  if (!channel) return std::move(channel).error();

  SpawnRequest request;
  request.executable = options.executable.empty() ? own_executable() : options.executable;
  request.arguments = {request.executable};
  request.arguments.insert(request.arguments.end(), options.arguments.begin(), options.arguments.end());
  request.arguments.insert(request.arguments.end(), {"--ready-fd", std::to_string(k_extra_fd)});
  request.env = &options.env;
  request.cwd = options.cwd;
  request.output_fd = log->get();
  request.extra_fd = channel->second.get();
  request.new_session = true;
  auto pid = spawn(request);
  if (!pid) return std::move(pid).error();
  channel->second.reset();

  const Answer answer = read_answer(channel->first.get(), deadline);
  if (answer.text == k_ready) return StartedDaemon{*pid};
  if (!answer.text.empty()) return refused(address, *pid, answer.text);
  return answer.ended ? died(address, *pid) : too_slow(address, *pid, options.timeout);
}

ReadinessPipe::ReadinessPipe(int fd) noexcept : fd_(fd) {
  if (fd >= 0) (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

void ReadinessPipe::say(const std::string& text) noexcept {
  std::string_view left = text;
  while (fd_.valid() && !left.empty()) {
    ssize_t written = ::send(fd_.get(), left.data(), left.size(), MSG_NOSIGNAL);
    if (written < 0 && errno == ENOTSOCK) written = ::write(fd_.get(), left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;   // the starter has left
    left.remove_prefix(static_cast<std::size_t>(written));
  }
  fd_.reset();
}

}  // namespace pf::ctl
