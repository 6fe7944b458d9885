#include <pfctl/watch_service.hpp>

#include <array>
#include <csignal>
#include <cstdio>
#include <memory>
#include <utility>

#include <pfcore/daemon_messages.hpp>
#include <pfcore/watch_messages.hpp>
#include <pfctl/client.hpp>
#include <pfctl/input_watch.hpp>
#include <pfctl/log_file.hpp>
#include <pfctl/process_info.hpp>
#include <pfctl/source_tree.hpp>
#include <pfctl/v1_client.hpp>
#include <pfctl/watch_plan.hpp>

#include "spawn.hpp"
#include "start_up_pages.hpp"
#include "watch_staging.hpp"

namespace pf::ctl {
namespace {

constexpr Milliseconds k_gone_grace{3000};       // the predecessor's
constexpr Milliseconds k_look_again{100};
constexpr Milliseconds k_patience{5000};
constexpr Milliseconds k_v1_patience{2000};      // as long as the predecessor's own status

std::string lock_name(const Address& address) { return address.socket + ".watcher.lock"; }
std::string log_name(const Address& address) { return address.socket + ".watcher.log"; }

std::string seconds_text(double seconds) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f s", seconds);
  return text.data();
}

class WatchService {
 public:
  WatchService(Loop& loop, WatchOptions options);
  WatchService(const WatchService&) = delete;
  WatchService& operator=(const WatchService&) = delete;
  ~WatchService() { *self_ = nullptr; }
  WatchEnd run();

 private:
  // -- the daemon
  void look_for_daemon();
  bool attach();
  void attach_v1(V1Connection connection);
  void lose_daemon();
  void on_gone_time();

  // -- what it says
  void on_readable();
  void on_event(const core::Value& root);
  void on_state(const core::WatchState& state);
  void tell_problem(const std::string& problem);
  void on_refreshed(const core::Refreshed& refreshed);
  void on_error(const core::ErrorEvent& error);

  // -- files beside those that collection read
  void watch_sources(SourceTree tree);
  void wait_for_sources();
  void on_sources(const InputLook& look, bool touched);

  void news(bool touched);
  void plan_next();
  void on_due();
  void stage();
  void on_staged(const core::Result<Staged>& staged);
  void end(WatchEnd why);

  Loop& loop_;
  WatchOptions options_;
  WatchPlan plan_;
  std::optional<ClientConnection> connection_;
  core::UniqueFd v1_process_;                    // of the predecessor's daemon
  FdWatch daemon_watch_;
  Timer due_;
  Timer gone_;
  std::optional<TimePoint> gone_since_;
  bool had_daemon_ = false;
  std::string outdated_;                         // the daemon's word
  std::string told_problem_;                     // why files are looked at by the clock
  SourceTree tree_;
  SourceTree::Snapshot warmed_;                  // what was there when a refresh was asked for
  SourceTree::Snapshot seen_;
  std::string sources_changed_;
  std::unique_ptr<InputWatch> sources_;
  WatchEnd why_ = WatchEnd::told_to;
  std::shared_ptr<WatchService*> self_;          // cleared by the destructor: what was put off looks here
};

WatchService::WatchService(Loop& loop, WatchOptions options)
    : loop_(loop),
      options_(std::move(options)),
      plan_(options_.debounce),
      daemon_watch_(loop),
      due_(loop, [this] { on_due(); }),
      gone_(loop, [this] { on_gone_time(); }),
      self_(std::make_shared<WatchService*>(this)) {}

WatchEnd WatchService::run() {
  const SignalWatch terminate(loop_, SIGTERM, [this] { end(WatchEnd::told_to); });
  const SignalWatch interrupt(loop_, SIGINT, [this] { end(WatchEnd::told_to); });
  const SignalWatch hang_up(loop_, SIGHUP, [this] { end(WatchEnd::told_to); });
  look_for_daemon();
  drop_start_up_pages();
  loop_.run();
  sources_.reset();
  return why_;
}

void WatchService::end(WatchEnd why) {
  why_ = why;
  loop_.stop();
}

// ---------------------------------------------------------------- the daemon

void WatchService::look_for_daemon() {
  if (attach()) {
    gone_since_.reset();
    gone_.stop();
    had_daemon_ = true;
    return;
  }
  if (!gone_since_) gone_since_ = loop_.now();
  if (!gone_.active()) gone_.start(k_look_again, k_look_again);
}

void WatchService::on_gone_time() {
  if (loop_.now() - *gone_since_ >= k_gone_grace) end(had_daemon_ ? WatchEnd::daemon_gone : WatchEnd::no_daemon);
  else look_for_daemon();
}

bool WatchService::attach() {
  auto predecessor = connect_to_v1_daemon(options_.address);
  if (predecessor && *predecessor) {
    attach_v1(std::move(**predecessor));
    return daemon_watch_.is_open();
  }
  ConnectOptions connecting;
  connecting.may_start = false;
  connecting.replace_other_version = false;
  connecting.greet_timeout = k_patience;
  auto connection = connect_to_daemon(options_.address, connecting);
  if (!connection) return false;
  core::WatchRequest request;
  request.poll_s = std::chrono::duration<double>(options_.poll).count();
  if (!connection->send(request)) return false;
  connection_ = std::move(*connection);
  if (!daemon_watch_.open(connection_->fd(), [this](FdWatch::Ready) { on_readable(); })) return false;
  daemon_watch_.want(true, false);
  options_.say("watching for process " + std::to_string(connection_->welcome().pid) + " at " + options_.address.socket_path());
  watch_sources(SourceTree(options_.root, options_.folders.value_or(std::vector<std::string>()), options_.files.value_or(std::vector<std::string>())));
  return true;
}

// That daemon tells nothing: the predecessor's folders and files are looked at, and its process shows its end.
void WatchService::attach_v1(V1Connection connection) {
  auto process = open_pidfd(connection.peer().pid);
  if (!process) return;
  v1_process_ = std::move(*process);
  if (!daemon_watch_.open(v1_process_.get(), [this](FdWatch::Ready) { lose_daemon(); })) return;
  daemon_watch_.want(true, false);
  options_.say("watching for pytest-fast's daemon, process " + std::to_string(connection.peer().pid) + ", at " + options_.address.socket_path());
  watch_sources(SourceTree(options_.root, options_.folders.value_or(std::vector<std::string>{"src", "tests"}),
                           options_.files.value_or(std::vector<std::string>{"pyproject.toml", "pytest.ini"})));
  // While it runs tests it answers nobody.
  if (!connection.send(core::v1::StatusCommand{})) return;
  auto answer = connection.next_answer(k_v1_patience);
  const auto* const ready = answer && *answer ? std::get_if<core::v1::ReadyAnswer>(&(*answer)->answer) : nullptr;
  if (ready == nullptr || !ready->stale) return;
  sources_changed_ = "its sources have changed";
  news(false);
}

void WatchService::lose_daemon() {
  daemon_watch_.stop();
  connection_.reset();
  v1_process_.reset();
  plan_.forget();
  due_.stop();
  outdated_.clear();
  sources_changed_.clear();
  sources_.reset();
  look_for_daemon();
}

// ---------------------------------------------------------------- what it says

void WatchService::on_readable() {
  while (connection_) {
    auto event = connection_->next_event(Milliseconds(0));
    if (!event) return lose_daemon();
    if (!event->has_value()) return;
    on_event((*event)->root());
  }
}

void WatchService::on_event(const core::Value& root) {
  const std::string_view type = core::message_type(root);
  if (type == core::WatchState::k_type) {
    if (auto state = core::decode_as<core::WatchState>(root)) on_state(*state);
  } else if (type == core::Refreshed::k_type) {
    if (auto refreshed = core::decode_as<core::Refreshed>(root)) on_refreshed(*refreshed);
  } else if (type == core::ErrorEvent::k_type) {
    if (auto error = core::decode_as<core::ErrorEvent>(root)) on_error(*error);
  }
}

void WatchService::on_state(const core::WatchState& state) {
  tell_problem(state.problem);
  if (!state.outdated.empty() && state.outdated != outdated_) options_.say(state.outdated);
  if (state.outdated.empty() && !outdated_.empty() && !plan_.refreshing()) options_.say("as it was before: nothing to do");
  outdated_ = state.outdated;
  news(state.touched);
}

// Once: a generation that takes another's place has it again, after a moment without.
void WatchService::tell_problem(const std::string& problem) {
  if (problem.empty() || problem == told_problem_) return;
  told_problem_ = problem;
  options_.say("files are looked at every " + seconds_text(std::chrono::duration<double>(options_.poll).count()) + ": failed to " + problem);
}

void WatchService::on_refreshed(const core::Refreshed& refreshed) {
  for (const core::RefreshedGeneration& generation : refreshed.generations) {
    if (generation.errors > 0) {
      options_.show(generation.output);
      options_.say("the suite does not collect (errors: " + std::to_string(generation.errors) +
                   "): a run will show them; what was collected before is kept for when they are mended");
    } else if (generation.booted) {
      options_.say("ready: " + std::to_string(generation.items) + " items in " + seconds_text(generation.boot_s) + " (" + generation.why + ")");
    }
  }
  outdated_.clear();
  plan_.on_answer();
  plan_next();
}

void WatchService::on_error(const core::ErrorEvent& error) {
  options_.show(error.output);
  options_.say(error.message + (error.hint.empty() ? "" : "; " + error.hint));
  if (plan_.refreshing()) options_.say("what was collected before is kept, and counts as stale: a run will show the error");
  outdated_.clear();
  plan_.on_answer();
  plan_next();
}

// ---------------------------------------------------------------- files beside those that collection read

void WatchService::watch_sources(SourceTree tree) {
  tree_ = std::move(tree);
  sources_.reset();
  if (tree_.empty()) return;
  seen_ = tree_.look();
  warmed_ = seen_;
  wait_for_sources();
}

void WatchService::wait_for_sources() {
  const auto handler = [this](const InputLook& look, bool touched, const auto&) { on_sources(look, touched); };
  sources_ = std::make_unique<InputWatch>(loop_, tree_.inputs(seen_), nullptr, options_.poll, handler);
  sources_->start();
}

void WatchService::on_sources(const InputLook& look, bool touched) {
  tell_problem(sources_->problem());
  if (!look.change) {
    if (touched && !sources_changed_.empty()) news(true);
    return;
  }
  seen_ = tree_.look();
  sources_changed_ = tree_.difference(warmed_, seen_).value_or("");
  if (!sources_changed_.empty()) options_.say(sources_changed_);
  news(true);
  loop_.defer([self = self_] {                   // not in the callback of what is replaced
    if (*self != nullptr && (*self)->sources_) (*self)->wait_for_sources();
  });
}

// ---------------------------------------------------------------- what to do

void WatchService::news(bool touched) {
  plan_.on_news(loop_.now(), touched, !outdated_.empty() || !sources_changed_.empty());
  plan_next();
}

void WatchService::plan_next() {
  const auto due = plan_.due();
  if (!due) return due_.stop();
  due_.start(std::max(Milliseconds(0), std::chrono::ceil<Milliseconds>(*due - loop_.now())));
}

void WatchService::on_due() {
  if (!plan_.ask(loop_.now())) return plan_next();
  warmed_ = seen_;
  if (!connection_) return stage();
  core::RefreshRequest request;
  request.only_stale = true;
  request.expired = std::exchange(sources_changed_, {});
  if (!connection_->send(request)) lose_daemon();
}

void WatchService::stage() {
  sources_changed_.clear();
  auto staging = staging_address(options_.address);
  if (!staging || !options_.staging) return plan_.on_answer();
  options_.say("pfast's own daemon collects at " + staging->socket_path());
  auto result = std::make_shared<core::Result<Staged>>(Staged{});
  auto job = [address = std::make_shared<core::Result<Address>>(clone(options_.address)), start = options_.staging(*staging), warm = options_.warm, result] {
    if (*address) *result = stage_and_promote(**address, start, warm);
    else *result = address->error();
  };
  loop_.queue_work(std::move(job), [self = self_, result] {
    if (*self != nullptr) (*self)->on_staged(*result);
  });
}

void WatchService::on_staged(const core::Result<Staged>& staged) {
  if (!staged) {
    options_.say("failed to " + staged.error().message);
  } else if (staged->promoted) {
    options_.say("ready: " + std::to_string(staged->items) + " items; pfast's daemon serves the address from now on");
  } else {
    options_.show(staged->output);
    options_.say(staged->why + ": the daemon in use is kept");
  }
  plan_.on_answer();
  plan_next();
}

}  // namespace

core::Result<std::optional<FileLock>> lock_watcher(const Address& address) {
  const std::string name = lock_name(address);
  return FileLock::try_lock(address.dir.get(), name, address.path_of(name));
}

std::string watcher_log_path(const Address& address) { return address.path_of(log_name(address)); }

core::Result<std::int64_t> start_watcher(const Address& address, const std::string& executable, const std::vector<std::string>& arguments,
                                 const core::Environment& env, const std::string& cwd) {
  auto lock = lock_watcher(address);
  if (!lock) return std::move(lock).error();
  if (!lock->has_value()) return std::int64_t{0};
  (*lock)->unlock();                               // one that comes between takes it, and ours finds it taken
  auto place = clone(address);
  if (!place) return std::move(place).error();
  place->log = log_name(address);
  auto log = open_log(*place);
  if (!log) return std::move(log).error();
  SpawnRequest request;
  request.executable = executable;
  request.arguments = {executable};
  request.arguments.insert(request.arguments.end(), arguments.begin(), arguments.end());
  request.env = &env;
  request.cwd = cwd;
  request.output_fd = log->get();
  request.new_session = true;
  auto pid = spawn(request);
  if (!pid) return std::move(pid).error();
  return std::int64_t{*pid};
}

core::Result<WatchEnd> run_watch_service(WatchOptions options) {
  std::signal(SIGPIPE, SIG_IGN);
  auto loop = Loop::create();
  if (!loop) return std::move(loop).error();
  return WatchService(**loop, std::move(options)).run();
}

}  // namespace pf::ctl
