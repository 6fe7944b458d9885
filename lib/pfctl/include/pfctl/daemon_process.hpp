// Starting `pfast serve` in the background, and telling the starter how that went.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include <pfcore/messages.hpp>
#include <pfcore/result.hpp>
#include <pfcore/unique_fd.hpp>
#include <pfctl/runtime_dir.hpp>

namespace pf::ctl {

struct StartOptions {
  std::string executable;               // pfast itself; empty = own_executable()
  std::vector<std::string> arguments;   // "serve", … ; "--ready-fd N" is appended
  core::Environment env;                // the daemon's environment
  std::string cwd = "/";                // a daemon must not keep a folder busy
  std::chrono::milliseconds timeout{30000};
};

struct StartedDaemon {
  pid_t pid = 0;
};

// Starts the daemon in its own session, with stdin from /dev/null, stdout and stderr on the address's log, no other
// descriptor but the readiness channel, default signal handling; waits until it is ready. The daemon is a child of the
// caller until that one leaves. Hold the spawn lock.
// Errors: refused (it said why it cannot serve: the message is its own text), closed (it died without a word: the
// message has its end and the end of its log), timed_out (it was told to terminate), system.
[[nodiscard]] core::Result<StartedDaemon> start_daemon(const Address& address, const StartOptions& options);

// The daemon's end of the readiness channel. Says one thing at most; being destroyed without a word means "died".
// With no descriptor (--foreground) everything is a no-op.
class ReadinessPipe {
 public:
  ReadinessPipe() = default;
  // Takes over the descriptor that --ready-fd names; it becomes close-on-exec.
  explicit ReadinessPipe(int fd) noexcept;
  ReadinessPipe(ReadinessPipe&&) noexcept = default;
  ReadinessPipe& operator=(ReadinessPipe&&) noexcept = default;
  void ready() noexcept { say("ready\n"); }
  void fail(const std::string& text) noexcept { say(text); }

 private:
  void say(const std::string& text) noexcept;
  core::UniqueFd fd_;
};

}  // namespace pf::ctl
