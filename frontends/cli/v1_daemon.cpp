#include "v1_daemon.hpp"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include <nlohmann/json.hpp>

#include <pfctl/process_info.hpp>
#include <pfctl/terminal_info.hpp>
#include <pfctl/v1_client.hpp>
#include <pfctl/v1_fingerprint.hpp>

#include "ask_daemon.hpp"
#include "exit_codes.hpp"
#include "say.hpp"
#include "v1_arguments.hpp"
#include "v1_session.hpp"

namespace pf::cli {
namespace {

namespace v1 = core::v1;
using Json = nlohmann::ordered_json;

constexpr std::chrono::milliseconds k_status_patience{2000};   // as long as the predecessor's own client
constexpr const char* k_name = "pytest-fast, protocol version 1";

// An error of the look itself is left to the usual way, which says it better.
std::optional<ctl::V1Connection> find(const Context& context) {
  if (!context.explicit_address) return std::nullopt;
  auto connection = ctl::connect_to_v1_daemon(context.address);
  return connection ? std::move(*connection) : std::nullopt;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + text;
  return out;
}

std::string named(const Context& context) { return "the daemon at " + context.address.socket_path() + " is pytest-fast's, of protocol version 1"; }

int refuse_arguments(const Context& context, const V1Arguments& arguments) {
  const bool has_path = std::any_of(arguments.refused.begin(), arguments.refused.end(), [](const std::string& text) { return text.front() != '-'; });
  return refuse(k_exit_usage, named(context) + ", and cannot be told " + joined(arguments.refused),
                std::string(has_path ? "it takes whole node ids (FILE::TEST); " : "") + "`pfast stop --address " + context.address.socket_path() +
                    "` ends it, and the next run starts pfast's own, which can");
}

double uptime_s(std::int64_t pid) {
  const auto process = ctl::process_state(pid);
  struct timespec now {};
  if (!process || ::clock_gettime(CLOCK_BOOTTIME, &now) != 0) return 0;
  const double started_s = static_cast<double>(process->start_ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return std::max(0.0, static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9 - started_s);
}

// It is silent while it runs tests.
core::Result<std::string> state_of(const Context& context, ctl::V1Connection& connection) {
  if (auto sent = connection.send(v1::StatusCommand{ctl::v1_fingerprint(context.env)}); !sent) return std::move(sent).error();
  auto message = connection.next_answer(k_status_patience);
  if (!message) return std::move(message).error();
  if (!message->has_value()) return std::string("busy");
  const auto* ready = std::get_if<v1::ReadyAnswer>(&(*message)->answer);
  if (ready == nullptr) return core::Error{core::ErrorCode::malformed, "read its status: it is none", 0, 0};
  return std::string(ready->stale ? "stale" : "ready");
}

V1SessionSetup session_setup(const Context& context, const RunOptions& options, const V1Arguments& arguments) {
  V1SessionSetup setup;
  const std::string& dump = options.dump.empty() ? context.settings.dump : options.dump;
  setup.out = dump == "-" ? 2 : 1;
  setup.terminal = ctl::look_at_terminal(context.env, 0, setup.out, 2);
  setup.command.fingerprint = ctl::v1_fingerprint(context.env);
  setup.command.full_report = options.full_report;
  setup.command.detailed = options.detailed;
  setup.command.bench = options.bench.runs;
  setup.command.stream = !dump.empty() || !arguments.nodeids.empty();
  if (setup.command.stream) setup.command.full_report = true;
  if (!arguments.nodeids.empty()) setup.command.nodeids = arguments.nodeids;
  return setup;
}

int write_outcomes(const Context& context, const RunOptions& options, const Outcomes& outcomes, int exit_code) {
  const std::string& dump = options.dump.empty() ? context.settings.dump : options.dump;
  if (dump.empty()) return exit_code;
  if (auto written = write_dump(dump, outcomes); !written) {
    refuse(k_exit_internal, written.error(), "the tests ran, and their own result stands above");
    return exit_code == 0 ? k_exit_internal : exit_code;
  }
  return exit_code;
}

}  // namespace

std::optional<int> run_on_v1_daemon(const Context& context, const RunOptions& options) {
  auto connection = find(context);
  if (!connection) return std::nullopt;
  const V1Arguments arguments = v1_arguments(context, options);
  if (!arguments.refused.empty()) return refuse_arguments(context, arguments);
  if (!arguments.ineffective.empty()) note(named(context) + "; without effect there: " + joined(arguments.ineffective));
  ctl::SignalChannel signals;
  int exit_code = 0;
  Outcomes outcomes;
  for (int turn = 0; turn < options.runs; ++turn) {
    if (turn > 0) connection = find(context);
    if (!connection) return std::nullopt;
    V1Session session(*connection, signals, session_setup(context, options, arguments));
    const std::optional<int> code = session.run();
    if (!code) {
      note("the daemon at " + context.address.socket_path() + " was stale and has left: pfast's own takes its place");
      return std::nullopt;
    }
    exit_code = worse_of(exit_code, *code);
    outcomes = session.outcomes();
    if (*code == k_exit_interrupted || *code >= k_exit_internal) break;
  }
  return write_outcomes(context, options, outcomes, exit_code);
}

std::optional<int> show_v1_daemon(const Context& context, const StatusOptions& options) {
  auto connection = find(context);
  if (!connection) return std::nullopt;
  const auto state = state_of(context, *connection);
  if (!state) return refuse(k_exit_no_daemon, state.error(), "what answers there is neither pfast's daemon nor pytest-fast's");
  const std::int64_t pid = connection->peer().pid;
  const std::int64_t rss_bytes = ctl::process_rss_bytes(pid);
  if (!options.json) {
    std::printf("daemon %lld · %s · %s · up %.0f s · %.1f MiB\n  socket %s\n", static_cast<long long>(pid), k_name, state->c_str(), uptime_s(pid),
                static_cast<double>(rss_bytes) / (1 << 20), context.address.socket_path().c_str());
    return 0;
  }
  Json out;
  out["daemon"] = {{"pid", pid},         {"address", context.address.socket_path()}, {"version", k_name}, {"uptime_s", uptime_s(pid)},
                   {"rss_bytes", rss_bytes}, {"protocol", 1},                            {"state", *state}};
  out["generations"] = Json::array();
  out["runs"] = Json::array();
  out["clients"] = 0;
  std::printf("%s\n", out.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  return 0;
}

std::optional<int> stop_v1_daemon(const Context& context, const StopOptions& options) {
  auto connection = find(context);
  if (!connection) return std::nullopt;
  const std::int64_t pid = connection->peer().pid;
  if (options.now) {
    return refuse(k_exit_usage, named(context) + ", and cannot be told --now",
                  "without it the daemon's run ends first; `kill " + std::to_string(pid) + "` ends both");
  }
  const auto pidfd = ctl::open_pidfd(pid);
  if (auto sent = connection->send(v1::ShutdownCommand{}); !sent && sent.error().code != core::ErrorCode::closed) {
    return refuse(k_exit_no_daemon, sent.error());
  }
  (void)connection->next_answer();   // its word, or its end
  if (pidfd) {
    struct pollfd end {pidfd->get(), POLLIN, 0};
    (void)::poll(&end, 1, -1);       // a signal ends this process, not the wait
  }
  std::printf("stopped: pid %lld\n", static_cast<long long>(pid));
  return 0;
}

std::optional<int> refuse_v1_daemon(const Context& context) {
  if (!find(context)) return std::nullopt;
  return refuse(k_exit_usage, named(context) + ", and cannot be told that",
                "`pfast restart --address " + context.address.socket_path() + "` puts pfast's own in its place");
}

}  // namespace pf::cli
