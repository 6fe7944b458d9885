#include "v1_session.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>
#include <variant>

#include "exit_codes.hpp"
#include "say.hpp"

namespace pf::cli {
namespace {

namespace v1 = core::v1;
using std::chrono::milliseconds;

constexpr milliseconds k_silence{2000};
constexpr int k_usage_error = 4;      // pytest's own, for a node id that there is not
constexpr int k_no_tests = 5;         // pytest's own

}  // namespace

V1Session::V1Session(ctl::V1Connection& connection, ctl::SignalChannel& signals, V1SessionSetup setup)
    : connection_(connection), signals_(signals), setup_(std::move(setup)), line_(setup_.out, setup_.terminal.stdout_is_tty) {}

std::optional<int> V1Session::run() {
  Step step = Step::on;
  if (auto sent = connection_.send(setup_.command); !sent) step = lost(sent.error());
  while (step == Step::on) {
    if (const int number = signals_.take(); number != 0) {
      step = on_signal(number);
      continue;
    }
    if (!connection_.has_buffered_answer()) {
      if (auto waited = wait(); !waited) return refuse(k_exit_daemon_lost, waited.error());
    }
    auto message = connection_.next_answer(milliseconds(0));
    if (!message) step = lost(message.error());
    else if (message->has_value()) step = on_answer(**message);
  }
  line_.close();
  return step == Step::stale ? std::nullopt : std::optional(exit_code_);
}

core::Status V1Session::wait() {
  struct pollfd set[] = {{connection_.fd(), POLLIN, 0}, {signals_.fd(), POLLIN, 0}};
  const int ready = ::poll(set, 2, heard_ || told_ ? -1 : static_cast<int>(k_silence.count()));
  if (ready < 0 && errno != EINTR) return core::Error::from_errno("poll", errno);
  if (ready == 0 && !std::exchange(told_, true)) {
    note("no answer yet from process " + std::to_string(connection_.peer().pid) + ": a daemon of version 1 serves one run at a time");
  }
  return core::ok_status();
}

V1Session::Step V1Session::on_answer(const ctl::V1Message& message) {
  heard_ = true;
  if (const auto* progress = std::get_if<v1::ProgressAnswer>(&message.answer)) {
    done_ = progress->done;
    show(progress->done, progress->total);
  } else if (const auto* report = std::get_if<v1::ReportAnswer>(&message.answer)) {
    outcomes_.add(report->report);
    done_ = static_cast<std::int64_t>(outcomes_.done());
    show(done_, setup_.command.nodeids ? static_cast<std::int64_t>(setup_.command.nodeids->size()) : 0);
  } else if (const auto* finished = std::get_if<v1::FinishedAnswer>(&message.answer)) {
    return on_finished(*finished);
  } else if (std::holds_alternative<v1::StaleAnswer>(message.answer)) {
    return Step::stale;
  }
  return Step::on;
}

void V1Session::show(std::int64_t done, std::int64_t total) {
  if (!line_.enabled() || line_.due_in() > milliseconds(0)) return;
  std::string text = "running " + std::to_string(done);
  if (total > 0) text += "/" + std::to_string(total);
  line_.show(text, static_cast<int>(setup_.terminal.columns));
}

// Of a selection: what no report came of.
std::string V1Session::unknown_nodeids() const {
  std::string out;
  for (const std::string& nodeid : setup_.command.nodeids.value_or(std::vector<std::string>())) {
    if (!outcomes_.by_nodeid().contains(nodeid)) out += (out.empty() ? "" : ", ") + nodeid;
  }
  return out;
}

V1Session::Step V1Session::on_finished(const v1::FinishedAnswer& finished) {
  line_.clear();
  write_to(setup_.out, finished.summary + "\n");
  const bool is_code = finished.exit_code >= 0 && finished.exit_code < k_exit_signal;
  exit_code_ = is_code ? static_cast<int>(finished.exit_code) : 1;
  if (const std::string unknown = unknown_nodeids(); !unknown.empty()) {
    refuse(k_usage_error, "the daemon ran no " + unknown, "version 1 selects by whole node ids, parameters included");
    if (exit_code_ == 0) exit_code_ = k_usage_error;
  }
  // It calls an empty run a success.
  if (exit_code_ == 0 && done_ == 0) exit_code_ = k_no_tests;
  return Step::over;
}

V1Session::Step V1Session::lost(const core::Error& why) {
  line_.clear();
  if (!heard_) {
    exit_code_ = refuse(k_exit_daemon_lost, "process " + std::to_string(connection_.peer().pid) + " at that address said nothing that a daemon says (failed to " +
                                                why.message + ")",
                        "name another socket with --address or PFAST_ADDRESS; of pytest-fast's daemon, run again");
    return Step::over;
  }
  exit_code_ = refuse(k_exit_daemon_lost, "the daemon was lost after " + std::to_string(done_) + " tests (failed to " + why.message + ")",
                      "run again: a new daemon is started");
  return Step::over;
}

V1Session::Step V1Session::on_signal(int number) {
  if (number == SIGWINCH) return Step::on;
  line_.clear();
  if (number == SIGTSTP) {
    ::kill(::getpid(), SIGSTOP);
    return Step::on;
  }
  note("process " + std::to_string(connection_.peer().pid) + " goes on with its run: version 1 cannot cancel one");
  exit_code_ = number == SIGINT ? k_exit_interrupted : k_exit_signal + number;
  return Step::over;
}

}  // namespace pf::cli
