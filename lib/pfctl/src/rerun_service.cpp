#include <pfctl/rerun_service.hpp>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include <pfcore/watch_messages.hpp>
#include <pfctl/rerun_plan.hpp>

#include "key_input.hpp"
#include "spawn.hpp"

namespace pf::ctl {
namespace {

using Stage = RerunPlan::Stage;

constexpr Milliseconds k_look_again{100};
constexpr Milliseconds k_gone_grace{3000};
constexpr Milliseconds k_kill_grace{20000};          // a run that was cancelled ends by itself: teardowns are waited for
constexpr int k_tests_failed = 1;                    // pytest's exit codes
constexpr int k_usage_error = 4;
constexpr int k_no_tests = 5;
constexpr const char* k_keys = "Enter: run all · f: run what failed · q: quit · h: help";

std::string what(Stage stage) {
  switch (stage) {
    case Stage::all: return "all";
    case Stage::failed: return "what failed last";
    case Stage::edited: return "what was edited, and what failed last";
    case Stage::rest: break;
  }
  return "the rest";
}

bool stops_at_failures(const core::OsStrings& arguments) {
  return std::any_of(arguments.begin(), arguments.end(), [](const std::string& text) {
    return text == "-x" || text == "--exitfirst" || text.starts_with("--maxfail");
  });
}

// What the memory file has; it is emptied for the next run.
std::string take_all(int fd) {
  std::string out;
  std::array<char, 65536> buffer;
  off_t at = 0;
  for (ssize_t got; (got = ::pread(fd, buffer.data(), buffer.size(), at)) > 0; at += got) out.append(buffer.data(), static_cast<std::size_t>(got));
  (void)::ftruncate(fd, 0);
  return out;
}

class RerunService {
 public:
  RerunService(Loop& loop, RerunOptions options);
  RerunService(const RerunService&) = delete;
  RerunService& operator=(const RerunService&) = delete;
  ~RerunService();

  [[nodiscard]] core::Result<int> run();

 private:
  [[nodiscard]] core::Status attach(bool may_start);
  void on_readable();
  void on_state(const core::WatchState& state);
  void on_lost();
  void on_gone_time();

  void on_key(char key);
  void advance();
  void begin(Stage stage);
  [[nodiscard]] core::OsStrings arguments_of(Stage stage) const;
  void start(core::OsStrings arguments);
  void cancel(int signal_number);
  void reap();
  void on_end(int code);
  void quit(int code);

  Loop& loop_;
  RerunOptions options_;
  RerunPlan plan_;
  RerunFacts facts_;
  std::optional<RunFacts> first_;                    // of the first stage, when it ran to its end
  std::set<std::string> first_files_;                // the edited files that it was for
  std::int64_t usually_deselected_ = 0;              // by the user's own arguments
  std::optional<ClientConnection> connection_;
  FdWatch daemon_watch_;
  Timer due_;
  Timer gone_;
  Timer kill_;
  std::optional<TimePoint> gone_since_;
  std::int64_t serial_ = -1;                         // of the daemon's last word; -1: it has not said any
  bool problem_told_ = false;
  core::UniqueFd events_;
  pid_t child_ = 0;
  Stage stage_ = Stage::all;
  bool cancelled_ = false;
  std::optional<int> quitting_;
};

RerunService::RerunService(Loop& loop, RerunOptions options)
    : loop_(loop),
      options_(std::move(options)),
      plan_(options_.debounce),
      daemon_watch_(loop),
      due_(loop, [this] { advance(); }),
      gone_(loop, [this] { on_gone_time(); }),
      kill_(loop, [this] { cancel(SIGKILL); }),
      events_(::memfd_create("pfast-events", MFD_CLOEXEC)) {}

RerunService::~RerunService() {
  if (child_ > 0) terminate(child_, k_kill_grace);
}

core::Result<int> RerunService::run() {
  if (!events_.valid()) return core::Error::from_errno("make a file in memory", errno);
  if (auto attached = attach(true); !attached) return std::move(attached).error();
  const SignalWatch children(loop_, SIGCHLD, [this] { reap(); });
  const SignalWatch terminate(loop_, SIGTERM, [this] { quit(128 + SIGTERM); });
  const SignalWatch interrupt(loop_, SIGINT, [this] { quit(128 + SIGINT); });
  const SignalWatch hang_up(loop_, SIGHUP, [this] { quit(128 + SIGHUP); });
  std::optional<KeyInput> keys;
  if (options_.keys) keys.emplace(loop_, [this](char key) { on_key(key); });
  plan_.ask_all();
  advance();
  loop_.run();
  return quitting_.value_or(0);
}

// ---------------------------------------------------------------- the daemon

core::Status RerunService::attach(bool may_start) {
  ConnectOptions connecting = options_.connecting;
  connecting.may_start = may_start;
  auto connection = connect_to_daemon(options_.address, connecting);
  if (!connection) return std::move(connection).error();
  core::WatchRequest request;
  request.poll_s = std::chrono::duration<double>(options_.poll).count();
  request.keep = true;
  if (auto sent = connection->send(request); !sent) return sent;
  connection_ = std::move(*connection);
  serial_ = -1;
  if (auto watched = daemon_watch_.open(connection_->fd(), [this](FdWatch::Ready) { on_readable(); }); !watched) return watched;
  daemon_watch_.want(true, false);
  return core::ok_status();
}

void RerunService::on_readable() {
  while (connection_) {
    auto event = connection_->next_event(Milliseconds(0));
    if (!event) return on_lost();
    if (!event->has_value()) return;
    const core::Value& root = (*event)->root();
    if (core::message_type(root) != core::WatchState::k_type) continue;
    if (auto state = core::decode_as<core::WatchState>(root)) on_state(*state);
  }
}

void RerunService::on_state(const core::WatchState& state) {
  if (!state.problem.empty() && !std::exchange(problem_told_, true)) {
    options_.say("saves are looked for every " + std::to_string(options_.poll.count()) + " ms: failed to " + state.problem);
  }
  const bool first_word = serial_ < 0;
  const bool others = std::exchange(serial_, state.serial) != state.serial;
  if (first_word || !others) return;
  plan_.on_save(loop_.now(), state.changed);
  if (plan_.overtaken()) cancel(SIGINT);
  advance();
}

void RerunService::on_lost() {
  daemon_watch_.stop();
  connection_.reset();
  gone_since_ = loop_.now();
  gone_.start(k_look_again, k_look_again);
}

// Another daemon may take over. What was saved meanwhile nobody knows: everything is run again.
void RerunService::on_gone_time() {
  const bool late = loop_.now() - *gone_since_ >= k_gone_grace;
  if (late) options_.say("the daemon is gone: another one is started");
  if (auto attached = attach(late); !attached) {
    if (!late) return;
    options_.say("failed to " + attached.error().message);
    return quit(72);
  }
  gone_.stop();
  plan_.ask_all();
  advance();
}

// ---------------------------------------------------------------- runs

void RerunService::on_key(char key) {
  switch (key) {
    case '\n':
    case '\r': plan_.ask_all(); break;
    case 'f':
    case 'F':
      if (facts_.failed.empty()) return options_.say("nothing failed last");
      plan_.ask_failed();
      break;
    case 'q':
    case 'Q': return quit(0);
    case 'h':
    case 'H':
    case '?': return options_.say(k_keys);
    default: return;
  }
  if (plan_.overtaken()) cancel(SIGINT);
  advance();
}

void RerunService::quit(int code) {
  const bool again = quitting_.has_value();
  quitting_ = code;
  if (child_ == 0) return loop_.stop();
  cancel(again ? SIGKILL : SIGINT);
}

void RerunService::cancel(int signal_number) {
  if (child_ == 0) return;
  const bool first = !std::exchange(cancelled_, true);
  if (signal_number == SIGINT && !first) return;     // a second Ctrl-C would cut teardowns off
  (void)::kill(child_, signal_number);
  if (first) kill_.start(k_kill_grace);
}

void RerunService::advance() {
  if (quitting_ || child_ != 0) return;
  if (const auto stage = plan_.next(loop_.now())) return begin(*stage);
  if (const auto due = plan_.due()) due_.start(std::max(Milliseconds(1), std::chrono::ceil<Milliseconds>(*due - loop_.now())));
}

core::OsStrings RerunService::arguments_of(Stage stage) const {
  switch (stage) {
    case Stage::failed: return failed_arguments(options_.arguments, options_.cwd, facts_);
    case Stage::edited: return first_arguments(options_.arguments, options_.cwd, facts_, plan_.edited());
    case Stage::rest:
      if (first_) return rest_arguments(options_.arguments, facts_, first_files_, *first_);
      break;
    case Stage::all: break;
  }
  return options_.arguments;
}

void RerunService::begin(Stage stage) {
  core::OsStrings arguments = arguments_of(stage);
  if (stage == Stage::edited) {
    first_.reset();
    first_files_ = plan_.edited();
    if (arguments.empty()) stage = Stage::all;       // no test was edited and none failed: everything at once
    if (arguments.empty()) arguments = options_.arguments;
  }
  if (stage == Stage::rest && !first_) stage = Stage::all;
  stage_ = stage;
  options_.say("runs " + what(stage));
  start(std::move(arguments));
}

void RerunService::start(core::OsStrings arguments) {
  SpawnRequest request;
  request.executable = options_.executable;
  request.arguments = {request.executable, "run", "--events", "/proc/self/fd/" + std::to_string(k_extra_fd)};
  request.arguments.insert(request.arguments.end(), options_.where.begin(), options_.where.end());
  request.arguments.insert(request.arguments.end(), arguments.begin(), arguments.end());
  request.env = &options_.env;
  request.cwd = options_.cwd;
  request.output_fd = STDOUT_FILENO;
  request.error_fd = STDERR_FILENO;
  request.extra_fd = events_.get();
  cancelled_ = false;
  auto pid = spawn(request);
  if (pid) {
    child_ = *pid;
    return;
  }
  options_.say("failed to " + pid.error().message);
  plan_.on_end(false);
}

void RerunService::reap() {
  int status = 0;
  if (child_ == 0 || ::waitpid(child_, &status, WNOHANG) != child_) return;
  child_ = 0;
  kill_.stop();
  on_end(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

void RerunService::on_end(int code) {
  const RunFacts run = options_.read_events(take_all(events_.get()));
  if (quitting_) return loop_.stop();
  const bool ran = !cancelled_ && (code == 0 || code == k_tests_failed);
  const bool stopped = code == k_tests_failed && stops_at_failures(options_.arguments);
  if (ran && !stopped && stage_ == Stage::all) forget(facts_, {}, true);
  if (ran && !stopped && stage_ == Stage::edited) forget(facts_, first_files_, false);
  learn(facts_, run);
  // pytest takes what it is to leave out for the beginning of node ids. It is counted, and everything is run when in doubt.
  const auto left_out = static_cast<std::int64_t>(first_ ? first_->passed.size() + first_->failed.size() : 0);
  if (stage_ == Stage::rest && ran && run.deselected > usually_deselected_ + left_out) {
    options_.say("more was left out than had been run");
    plan_.on_end(false);
    plan_.ask_all();
    return advance();
  }
  if (stage_ == Stage::all && run.collected && !cancelled_) usually_deselected_ = run.deselected;
  if (stage_ == Stage::edited && ran) first_ = run;
  // Nothing to run, or nothing of that name: the rest may have it. What does not collect does not collect as a whole, either.
  const bool more = stage_ == Stage::edited && !stopped && (code <= k_tests_failed || code == k_usage_error || code == k_no_tests);
  plan_.on_end(more && !(first_ && is_complete(facts_, *first_)));
  if (cancelled_) options_.say("cancelled");
  advance();
  if (child_ == 0 && !plan_.due()) options_.say(options_.keys ? std::string("waits for a save · ") + k_keys : "waits for a save");
}

}  // namespace

core::Result<int> run_reruns(RerunOptions options) {
  std::signal(SIGPIPE, SIG_IGN);
  auto loop = Loop::create();
  if (!loop) return std::move(loop).error();
  return RerunService(**loop, std::move(options)).run();
}

}  // namespace pf::ctl
