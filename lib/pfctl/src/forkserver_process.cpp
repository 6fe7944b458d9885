#include <pfctl/forkserver_process.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include <pfcore/frame_socket.hpp>

#include "spawn.hpp"

namespace pf::ctl {
namespace {

constexpr std::size_t k_output_bytes = 256u << 10;
constexpr Milliseconds k_eof_grace{1000};
constexpr std::size_t k_title_room = 240;     // for what `ps` shows: the test that runs

core::Result<std::pair<core::UniqueFd, core::UniqueFd>> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return core::Error::from_errno("make a pipe for the forkserver's output", errno);
  return std::pair{core::UniqueFd(ends[0]), core::UniqueFd(ends[1])};
}

}  // namespace

ForkserverProcess::ForkserverProcess(Loop& loop, ForkserverHandler& handler, DaemonLog& log)
    : handler_(handler), log_(log), channel_(loop, *this, {.accept_fds = true}), output_watch_(loop), kill_timer_(loop, [this] { kill(); }) {}

core::Result<ForkserverProcess::Ends> ForkserverProcess::connect() {
  auto sockets = core::make_socket_pair();
  if (!sockets) return std::move(sockets).error();
  auto pipe = make_pipe();
  if (!pipe) return std::move(pipe).error();
  output_fd_ = std::move(pipe->first);
  if (auto watched = output_watch_.open(output_fd_.get(), [this](FdWatch::Ready) { read_output(); }); !watched) return std::move(watched).error();
  output_watch_.want(true, false);
  if (auto opened = channel_.open(std::move(sockets->first)); !opened) return std::move(opened).error();
  return Ends{std::move(sockets->second), std::move(pipe->second)};
}

core::Result<std::unique_ptr<ForkserverProcess>> ForkserverProcess::resume(Loop& loop, ForkserverHandler& handler, DaemonLog& log,
                                                                          Checkpoint& checkpoint) {
  auto process = std::unique_ptr<ForkserverProcess>(new ForkserverProcess(loop, handler, log));
  auto ends = process->connect();
  if (!ends) return std::move(ends).error();
  checkpoint.resume(std::move(ends->channel), std::move(ends->output));
  return process;
}

core::Result<std::unique_ptr<ForkserverProcess>> ForkserverProcess::spawn(Loop& loop, ForkserverHandler& handler,
                                                                         DaemonLog& log, const ForkserverSpec& spec) {
  auto process = std::unique_ptr<ForkserverProcess>(new ForkserverProcess(loop, handler, log));
  ForkserverProcess* self = process.get();
  auto ends = self->connect();
  if (!ends) return std::move(ends).error();
  SpawnRequest request;
  request.executable = spec.executable;
  request.arguments = {spec.executable, "--channel-fd", std::to_string(k_extra_fd), "--python", spec.python, "--room", std::string(k_title_room, '.')};
  request.env = &spec.env;
  request.cwd = spec.cwd;
  request.output_fd = ends->output.get();
  request.extra_fd = ends->channel.get();
  request.new_session = true;
  auto pid = pf::ctl::spawn(request);
  if (!pid) {
    core::Error error = std::move(pid).error();
    error.message += " (in '" + spec.cwd + "')";   // ENOENT may mean either
    return error;
  }
  self->pid_ = *pid;
  // Before the BootRequest, which is still in the queue: user code never sees the daemon's own limit.
  if (spec.nofile) (void)::prlimit(*pid, RLIMIT_NOFILE, &*spec.nofile, nullptr);
  return process;
}

ForkserverProcess::~ForkserverProcess() {
  if (!exited_) kill();
}

void ForkserverProcess::dump_stacks() noexcept {
  if (!exited_ && pid_ > 1) ::kill(static_cast<pid_t>(pid_), SIGUSR1);
}

void ForkserverProcess::kill() noexcept {
  // The group takes along what collection started and left behind. It is never used after the process was reaped.
  if (exited_ || pid_ <= 1) return;
  ::kill(-static_cast<pid_t>(pid_), SIGKILL);
  ::kill(static_cast<pid_t>(pid_), SIGKILL);
}

void ForkserverProcess::dismiss(Milliseconds grace) {
  channel_.close();
  if (!exited_) kill_timer_.start(grace);
}

void ForkserverProcess::on_exited(int status) {
  if (exited_) return;
  channel_.drain();
  channel_.close();
  exited_ = true;
  kill_timer_.stop();
  // Its group is left alone: a controller that was forked a moment ago may still be in it. Helpers become strays.
  read_output();
  output_watch_.stop();
  output_fd_.reset();
  handler_.on_forkserver_gone(status);
}

void ForkserverProcess::read_output() {
  std::array<char, 16384> buffer;
  for (int turn = 0; turn < 16 && output_fd_.valid(); ++turn) {
    const ssize_t got = ::read(output_fd_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return;
    if (got == 0) {
      output_watch_.stop();
      output_fd_.reset();
      return;
    }
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
    log_.raw(bytes);
    output_ += bytes;
    if (output_.size() > 2 * k_output_bytes) output_.erase(0, output_.size() - k_output_bytes);
  }
}

void ForkserverProcess::on_end(Channel&, const core::Error&) {
  if (pid_ == 0) {
    exited_ = true;
    handler_.on_not_resumed();
    return;
  }
  // A hint: the process' end will tell. One that lives on without its channel has nothing left to do.
  if (!exited_) kill_timer_.start(k_eof_grace);
}

void ForkserverProcess::on_checkpoint_made(const core::Value& root) {
  auto made = core::decode_as<core::CheckpointMade>(root);
  std::vector<core::UniqueFd> fds = channel_.take_fds(1);
  // Without its descriptor (none was left) the checkpoint has seen the end of its channel already.
  if (made && !fds.empty()) handler_.on_checkpoint(std::move(*made), std::move(fds.front()));
}

void ForkserverProcess::on_frame(Channel&, std::string_view payload) {
  auto document = core::decode_pickle(payload, core::Limits::result(), core::Texts::borrowed);
  if (!document) {
    log_.line("the forkserver sent a frame that cannot be read: " + document.error().message);
    kill();
    return;
  }
  const core::Value& root = document->root();
  const std::string_view type = core::message_type(root);
  if (type == core::BootReady::k_type) {
    if (auto message = core::decode_as<core::BootReady>(root)) handler_.on_boot_ready(std::move(*message));
    else kill();
  } else if (type == core::BootFailed::k_type) {
    if (auto message = core::decode_as<core::BootFailed>(root)) handler_.on_boot_failed(std::move(*message));
    else kill();
  } else if (type == core::Forked::k_type) {
    if (auto message = core::decode_as<core::Forked>(root)) handler_.on_forked(*message);
    else kill();
  } else if (type == core::ChildExited::k_type) {
    if (auto message = core::decode_as<core::ChildExited>(root)) handler_.on_child_exited(*message);
    else kill();
  } else if (type == core::LadderReady::k_type) {
    if (auto message = core::decode_as<core::LadderReady>(root)) handler_.on_ladder_ready(std::move(*message));
    else kill();
  } else if (type == core::CheckpointMade::k_type) {
    on_checkpoint_made(root);
  } else if (type == core::Resumed::k_type && pid_ == 0) {
    auto message = core::decode_as<core::Resumed>(root);
    if (!message || message->pid <= 1) return;
    pid_ = message->pid;
    handler_.on_resumed();
  }
}

}  // namespace pf::ctl
