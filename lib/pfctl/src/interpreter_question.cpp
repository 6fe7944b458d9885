#include "interpreter_question.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <string_view>
#include <utility>
#include <vector>

#include <pfctl/run_state.hpp>

#include "files.hpp"
#include "spawn.hpp"
#include "text.hpp"

namespace pf::ctl {
namespace {

using Clock = std::chrono::steady_clock;
using core::ErrorCode;

constexpr std::chrono::seconds k_time_limit{10};
constexpr std::chrono::milliseconds k_exit_grace{500};
constexpr std::size_t k_max_output_bytes = 64 * 1024;
constexpr std::size_t k_shown_bytes = 500;

// NUL cannot be part of a path. The marker: what sitecustomize prints comes before it.
constexpr std::string_view k_marker("\0pfast-interpreter\0", 19);
constexpr const char* k_identity =
    "import os, sys\n"
    "parts = [b'', b'pfast-interpreter', os.fsencode(sys.executable), os.fsencode(sys.prefix),\n"
    "         b'%d' % sys.version_info[0], b'%d' % sys.version_info[1], sys.implementation.name.encode(), b'']\n"
    "sys.stdout.buffer.write(b'\\0'.join(parts))\n"
    "sys.stdout.flush()\n";

// What it prints until it closes its output; nullopt: it had not by the deadline.
std::optional<std::string> read_output(int fd, Clock::time_point deadline) {
  std::string out;
  std::array<char, 4096> buffer;
  while (out.size() < k_max_output_bytes) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return std::nullopt;
    struct pollfd readable {fd, POLLIN, 0};
    if (::poll(&readable, 1, static_cast<int>(left)) <= 0) continue;
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    out.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return out;
}

std::vector<std::string> fields_of(std::string_view output) {
  std::vector<std::string> fields;
  const std::size_t found = output.rfind(k_marker);
  if (found == output.npos) return fields;
  output.remove_prefix(found + k_marker.size());
  for (std::size_t end = output.find('\0'); end != output.npos; end = output.find('\0')) {
    fields.emplace_back(output.substr(0, end));
    output.remove_prefix(end + 1);
  }
  return fields;
}

std::optional<Interpreter> interpreter_from(const std::vector<std::string>& fields) {
  if (fields.size() != 5 || fields[0].empty() || fields[4] != "cpython") return std::nullopt;
  Interpreter interpreter;
  interpreter.executable = fields[0];
  interpreter.prefix = fields[1];
  const auto number = [](const std::string& text, int& value) {
    return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc();
  };
  if (!number(fields[2], interpreter.major) || !number(fields[3], interpreter.minor)) return std::nullopt;
  return interpreter;
}

// Control characters would garble the terminal that the message ends on.
std::string shown(std::string_view output) {
  std::string out(text::trimmed(output.substr(0, k_shown_bytes)));
  std::replace_if(out.begin(), out.end(), [](unsigned char c) { return c < 0x20 && c != '\n' && c != '\t'; }, '?');
  return out.empty() ? "it printed nothing" : "it printed: " + out;
}

}  // namespace

core::Result<ProgramAnswer> ask_program(const std::vector<std::string>& arguments, const core::Environment& env, const std::string& cwd) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return core::Error::from_errno("make a pipe", errno);
  const core::UniqueFd read_end(ends[0]);
  core::UniqueFd write_end(ends[1]);
  SpawnRequest request;
  request.executable = arguments.front();
  request.arguments = arguments;
  request.env = &env;
  request.cwd = files::is_folder(cwd) ? cwd : std::string();
  request.output_fd = write_end.get();
  auto pid = spawn(request);
  if (!pid) return std::move(pid).error();
  write_end.reset();

  auto output = read_output(read_end.get(), Clock::now() + k_time_limit);
  if (!output) {
    terminate(*pid, k_exit_grace);
    return text::error(ErrorCode::timed_out, "it gave no answer within " + std::to_string(k_time_limit.count()) + " s");
  }
  auto status = wait_for_exit(*pid, k_exit_grace);
  if (!status) status = terminate(*pid, k_exit_grace);
  return ProgramAnswer{fields_of(*output), shown(*output), *status};
}

core::Result<Interpreter> ask_interpreter(const std::string& program, const core::Environment& env, const std::string& cwd) {
  constexpr std::string_view k_mend = "; use --python with the path of ";
  auto answer = ask_program({program, "-I", "-c", k_identity}, env, cwd);
  if (!answer && answer.error().code == ErrorCode::timed_out) {
    return text::error(ErrorCode::timed_out, "it did not tell its version within " + std::to_string(k_time_limit.count()) + " s" +
                                                 std::string(k_mend) + "the interpreter itself");
  }
  if (!answer) return std::move(answer).error();
  if (auto interpreter = interpreter_from(answer->fields)) return std::move(*interpreter);
  return text::error(ErrorCode::refused, "it did not answer as a CPython interpreter does (" + describe_wait_status(answer->status) + "); " +
                                             answer->shown + std::string(k_mend) + "a CPython interpreter");
}

}  // namespace pf::ctl
