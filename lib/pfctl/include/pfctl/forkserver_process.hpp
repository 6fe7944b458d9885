// One pfast-forkserver: started with posix_spawn, spoken to over an inherited socketpair, watched until it is reaped.
//
// The process gets its own session, the environment and working directory it is told, /dev/null as stdin, and a pipe as
// stdout and stderr, of which the last 256 KiB are kept. The end of the channel makes it leave. The owner reaps:
// whoever calls waitpid() hands the status to on_exited(), the only truth about its end.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/resource.h>

#include <pfcore/checkpoint_messages.hpp>
#include <pfcore/messages.hpp>
#include <pfcore/result.hpp>
#include <pfcore/unique_fd.hpp>

#include <pfctl/channel.hpp>
#include <pfctl/daemon_log.hpp>
#include <pfctl/ladder.hpp>
#include <pfctl/loop.hpp>

namespace pf::ctl {

struct ForkserverSpec {
  std::string executable;        // pfast-forkserver
  std::string python;            // sys.executable of the target environment
  std::string cwd;
  core::Environment env;         // all of it
  std::optional<struct rlimit> nofile;  // RLIMIT_NOFILE of the process, when the daemon has changed its own
};

class ForkserverHandler {
 public:
  virtual ~ForkserverHandler() = default;
  virtual void on_boot_ready(core::BootReady ready) = 0;
  virtual void on_boot_failed(core::BootFailed failed) = 0;
  virtual void on_forked(const core::Forked& forked) = 0;
  virtual void on_child_exited(const core::ChildExited& exited) = 0;
  // It has left a checkpoint behind; `channel` is the checkpoint's.
  virtual void on_checkpoint(core::CheckpointMade made, core::UniqueFd channel) = 0;
  // Right before on_boot_ready().
  virtual void on_ladder_ready(core::LadderReady ladder) = 0;
  // One that was resumed: it has a pid from now on.
  virtual void on_resumed() = 0;
  // One that was resumed came to nothing before it had a pid.
  virtual void on_not_resumed() = 0;
  // Dead and reaped, once. Everything that it had said before was delivered.
  virtual void on_forkserver_gone(int status) = 0;
};

class ForkserverProcess final : private ChannelHandler {
 public:
  // Errors: system (what could not be had or executed, by name).
  [[nodiscard]] static core::Result<std::unique_ptr<ForkserverProcess>> spawn(Loop& loop, ForkserverHandler& handler,
                                                                             DaemonLog& log, const ForkserverSpec& spec);
  // A fork of the checkpoint. It has no pid until on_resumed(). Errors: system.
  [[nodiscard]] static core::Result<std::unique_ptr<ForkserverProcess>> resume(Loop& loop, ForkserverHandler& handler, DaemonLog& log,
                                                                              Checkpoint& checkpoint);
  // Kills the process when it is still there; its zombie is the reaper's.
  ~ForkserverProcess() override;

  [[nodiscard]] std::int64_t pid() const noexcept { return pid_; }
  [[nodiscard]] bool alive() const noexcept { return !exited_; }
  void boot(const core::BootRequest& request, const std::optional<core::LadderRequest>& ladder) {
    if (ladder) channel_.send(core::encode(*ladder));
    channel_.send(core::encode(request));
  }
  // Descriptors: controller channel, stdin, stdout, stderr.
  void fork(const core::ForkRequest& request, std::vector<core::UniqueFd> fds) { channel_.send(core::encode(request), std::move(fds)); }
  // SIGUSR1: faulthandler writes every thread's stack to stderr, that is into output().
  void dump_stacks() noexcept;
  void kill() noexcept;
  // Ends the channel, so that the process leaves; kills it when it has not left after `grace`.
  void dismiss(Milliseconds grace);
  // Its status came from waitpid().
  void on_exited(int status);
  // The last part of what it printed.
  [[nodiscard]] const std::string& output() const noexcept { return output_; }
  void read_output();
  // Hears what it has said.
  void listen() { channel_.drain(); }

 private:
  ForkserverProcess(Loop& loop, ForkserverHandler& handler, DaemonLog& log);
  struct Ends {
    core::UniqueFd channel;
    core::UniqueFd output;
  };
  // The process' ends of what connects it with the daemon.
  [[nodiscard]] core::Result<Ends> connect();
  void on_checkpoint_made(const core::Value& root);
  void on_frame(Channel& channel, std::string_view payload) override;
  void on_end(Channel& channel, const core::Error& why) override;

  ForkserverHandler& handler_;
  DaemonLog& log_;
  Channel channel_;
  core::UniqueFd output_fd_;
  FdWatch output_watch_;
  Timer kill_timer_;
  std::int64_t pid_ = 0;
  bool exited_ = false;
  std::string output_;
};

}  // namespace pf::ctl
