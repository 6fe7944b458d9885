#include "fast_run.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include <pfcore/unique_fd.hpp>
#include <pfctl/client.hpp>
#include <pfctl/client_setup.hpp>
#include <pfctl/config.hpp>
#include <pfctl/environment.hpp>
#include <pfctl/interpreter.hpp>
#include <pfctl/root.hpp>
#include <pfctl/run_conversation.hpp>
#include <pfctl/runtime_dir.hpp>
#include <pfctl/terminal_info.hpp>
#include <pfctl/v1_client.hpp>

namespace pf::plugin {
namespace {

using How = FastEnd::How;

constexpr int k_last_pytest_code = 5;
constexpr int k_exit_boot_hung = 77;        // README.md has the table
constexpr int k_exit_daemon_lost = 78;
constexpr int k_exit_untrusted = 70;

FastEnd stopped(How how, ctl::Complaint complaint) {
  FastEnd end;
  end.how = how;
  end.message = std::move(complaint.message);
  end.hint = std::move(complaint.hint);
  return end;
}

FastEnd stopped(How how, const core::Error& error) { return stopped(how, ctl::complaint_of(error)); }

FastEnd failed(int exit_code, std::string message, std::string hint) {
  FastEnd end = stopped(How::failed, {std::move(message), std::move(hint)});
  end.exit_code = exit_code;
  return end;
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

// ---------------------------------------------------------------- where this process stands

struct Place {
  core::Environment env;
  std::string cwd;
  std::string root;
  ctl::Settings settings;
  std::string python;
  std::string named_address;       // by --fast-address or a variable
  ctl::Address address;
};

core::Result<ctl::Address> address_of(const Place& place) {
  if (!place.named_address.empty()) return ctl::explicit_address(place.named_address);
  auto folder = ctl::open_runtime_dir(place.env);
  if (!folder) return std::move(folder).error();
  return ctl::make_address(*folder, place.root, place.python);
}

// What went wrong, or nothing.
std::optional<FastEnd> find_place(const std::string& python, const std::optional<std::string>& named, Place& place) {
  place.env = ctl::current_environment();
  place.cwd = ctl::current_folder();
  if (place.cwd.empty()) return stopped(How::not_begun, {"the current folder does not exist any more", {}});
  place.root = ctl::find_root(place.cwd, place.env);
  auto settings = ctl::load_settings(place.root, place.env);
  if (!settings) return stopped(How::wrong_use, settings.error());
  place.settings = std::move(*settings);
  auto interpreter = ctl::find_interpreter(python, place.env, place.root, {}, "sys.executable");
  if (!interpreter) return stopped(How::not_begun, interpreter.error());
  if (auto fits = ctl::check_version(*interpreter, PF_PYTHON_MAJOR, PF_PYTHON_MINOR); !fits) return stopped(How::not_begun, fits.error());
  place.python = interpreter->executable;
  place.named_address = named.value_or(place.settings.address);
  auto address = address_of(place);
  if (!address) return stopped(place.named_address.empty() ? How::not_begun : How::wrong_use, address.error());
  place.address = std::move(*address);
  return std::nullopt;
}

// ---------------------------------------------------------------- the run

class Observer final : public ctl::RunObserver {
 public:
  Observer(bool keep_outcomes, int err) : keep_outcomes_(keep_outcomes), err_(err) {}

  void on_event(const core::Value& root) override {
    const std::string_view type = core::message_type(root);
    if (type == core::ItemResult::k_type && keep_outcomes_) on_result(root);
    else if (type == core::PhaseEvent::k_type) on_phase(root);
    else if (type == core::OutputEvent::k_type) on_output(root);
  }

  std::map<std::string, std::string> outcomes;
  std::vector<std::string> notes;

 private:
  void on_result(const core::Value& root) {
    const auto result = core::decode_as<core::ItemResult>(root);
    // One that another try follows is no outcome.
    if (result && result->outcome != "rerun") outcomes[result->nodeid] = result->outcome;
  }

  void on_phase(const core::Value& root) {
    const auto phase = core::decode_as<core::PhaseEvent>(root);
    if (!phase) return;
    // Files that tests leave beside the sources change a folder's listing in every run: no news.
    const bool is_listing = phase->detail.ends_with("(files came or went)");
    if (phase->name == "changed" && !is_listing) notes = {"while the run went on: " + phase->detail + "; what it says is of the files as they were before"};
    if (phase->name == "run" && !phase->detail.empty()) write_all(err_, "pfast: " + phase->detail + "\n");
  }

  // The daemon's own words to whoever waits.
  void on_output(const core::Value& root) {
    const auto output = core::decode_as<core::OutputEvent>(root);
    if (output && output->stream == 2) write_all(err_, output->data);
  }

  bool keep_outcomes_;
  int err_;
};

// A Ctrl-C while a daemon is started or waited for.
class InterruptDefault {
 public:
  explicit InterruptDefault(bool wanted) : wanted_(wanted) {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    wanted_ = wanted && ::sigaction(SIGINT, nullptr, &before_) == 0 && before_.sa_handler != SIG_IGN;
    if (wanted_) ::sigaction(SIGINT, &action, nullptr);
  }
  ~InterruptDefault() {
    if (wanted_) ::sigaction(SIGINT, &before_, nullptr);
  }
  InterruptDefault(const InterruptDefault&) = delete;
  InterruptDefault& operator=(const InterruptDefault&) = delete;

 private:
  bool wanted_;
  struct sigaction before_ {};
};

core::Result<ctl::ClientConnection> connect(const FastRun& run, const Place& place) {
  ctl::DaemonSetup daemon;
  daemon.executable = run.executable;
  daemon.env = place.env;
  daemon.root = place.root;
  daemon.python = place.python;
  daemon.cwd = place.cwd;
  if (!place.named_address.empty()) daemon.socket = place.address.socket_path();
  daemon.ttl_s = run.ttl_s.value_or(place.settings.ttl_s);
  ctl::ConnectOptions options;
  options.start = ctl::start_options(daemon);
  return ctl::connect_to_daemon(place.address, options);
}

core::RunRequest make_request(const FastRun& run, const Place& place, const std::array<int, 3>& streams) {
  core::RunRequest request = ctl::make_request(place.settings, run.argv, place.cwd, place.env);
  request.program = run.program;
  if (run.sys_path) request.env.emplace_back("PFAST_SYS_PATH", *run.sys_path);
  request.options = ctl::run_options(place.settings);
  request.options.reporter = "pytest";
  request.options.workers = run.workers.value_or(request.options.workers);
  request.options.dist = run.dist.value_or(request.options.dist);
  request.terminal = ctl::look_at_terminal(place.env, streams[0], streams[1], streams[2]);
  return request;
}

FastEnd on_finished(const core::FinishedEvent& finished) {
  if (finished.exit_code == 0 && finished.not_run > 0) {
    std::string names;
    for (const std::string& nodeid : finished.not_run_nodeids) names += (names.empty() ? "" : ", ") + nodeid;
    return failed(k_exit_untrusted, std::to_string(finished.not_run) + " selected test(s) were not run: " + names,
                  "run again; `pfast logs` shows what the daemon knows");
  }
  FastEnd end;
  end.how = How::finished;
  end.exit_code = static_cast<int>(finished.exit_code);
  if (!finished.text_shown && !finished.reason.empty()) end.notes.push_back("the run ended early: " + finished.reason);
  return end;
}

FastEnd on_refusal(const core::ErrorEvent& error, bool begun, int err) {
  const int code = static_cast<int>(error.exit_code);
  const bool is_sentence = error.code == "collection-failed";   // the forkserver's answer; all others read after "failed to"
  const std::string message = (is_sentence ? "" : "failed to ") + error.message;
  if (code > k_last_pytest_code && code != k_exit_boot_hung && !begun) return stopped(How::not_begun, {message, error.hint});
  write_all(err, error.output);
  if (code > k_last_pytest_code || !error.message.empty()) return failed(code, message, error.hint);
  FastEnd end;      // pytest's own text said it all
  end.how = How::finished;
  end.exit_code = code;
  return end;
}

FastEnd on_loss(const ctl::RunEnd& run, std::int64_t pid) {
  const bool silent = run.how == ctl::RunEnd::How::silent;
  const std::string what = silent ? "the daemon did not answer the interrupt" : "the daemon was lost (failed to " + run.why.message + ")";
  if (!run.begun && !silent && run.ended_by == 0) return stopped(How::not_begun, {what, {}});
  return failed(k_exit_daemon_lost, what,
                silent ? "`kill " + std::to_string(pid) + "` ends it"
                       : "run again: a new daemon is started; `pfast logs` shows the last words of the old one");
}

FastEnd converse(const FastRun& run, const Place& place, ctl::ClientConnection& connection) {
  core::UniqueFd nothing;
  std::array<int, 3> streams = run.streams;
  for (int& stream : streams) {
    if (stream >= 0 && ::fcntl(stream, F_GETFD) != -1) continue;
    if (!nothing) nothing.reset(::open("/dev/null", O_RDWR | O_CLOEXEC));
    stream = nothing.get();
  }
  Observer observer(run.keep_outcomes, streams[2]);
  ctl::SignalChannel signals;
  ctl::RunConversation conversation(connection, signals, observer);
  const ctl::RunEnd ended = conversation.run(make_request(run, place, streams), streams);
  FastEnd end;
  switch (ended.how) {
    case ctl::RunEnd::How::finished: end = on_finished(ended.finished); break;
    case ctl::RunEnd::How::refused: end = on_refusal(ended.error, ended.begun, streams[2]); break;
    case ctl::RunEnd::How::lost:
    case ctl::RunEnd::How::silent: end = on_loss(ended, connection.welcome().pid); break;
  }
  end.ended_by = ended.ended_by;
  end.notes.insert(end.notes.end(), observer.notes.begin(), observer.notes.end());
  end.outcomes = std::move(observer.outcomes);
  return end;
}

}  // namespace

FastEnd run_fast(const FastRun& run) {
  Place place;
  if (auto wrong = find_place(run.python, run.address, place)) return std::move(*wrong);
  const std::string socket = place.address.socket_path();
  if (!place.named_address.empty()) {
    // An error of the look itself is left to the usual way, which says it better.
    const auto predecessor = ctl::connect_to_v1_daemon(place.address);
    if (predecessor && *predecessor) {
      return stopped(How::not_begun, {"the daemon at " + socket + " is pytest-fast's",
                                      "`pfast restart --address " + socket + "` puts pfast's own in its place"});
    }
  }
  std::optional<InterruptDefault> interrupts(run.dies_by_interrupt);
  auto connection = connect(run, place);
  interrupts.reset();
  if (!connection) return stopped(How::not_begun, connection.error());
  FastEnd end = converse(run, place, *connection);
  end.address = socket;
  return end;
}

bool is_always_fast() {
  const core::Environment env = ctl::current_environment();
  // Without the environment: a broken variable of pfast's is nobody's business who has not asked for it.
  const auto settings = ctl::load_settings(ctl::find_root(ctl::current_folder(), env), {});
  return settings && settings->plugin == "always";
}

std::string daemon_address(const std::string& python, const std::optional<std::string>& address) {
  Place place;
  return find_place(python, address, place) ? std::string() : place.address.socket_path();
}

}  // namespace pf::plugin
