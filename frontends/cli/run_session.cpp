#include "run_session.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <utility>

#include <pfctl/environment.hpp>

#include "exit_codes.hpp"
#include "say.hpp"

namespace pf::cli {
namespace {

using std::chrono::milliseconds;

// The daemon kills a run within a second; three tell that it does not answer.
constexpr milliseconds k_kill_patience{3000};

template <typename T>
std::optional<T> message_as(const core::Value& root) {
  if (core::message_type(root) != T::k_type) return std::nullopt;
  auto message = core::decode_as<T>(root);
  if (!message) return std::nullopt;
  return std::move(*message);
}

std::string times_of(const core::FinishedEvent& finished) {
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(), "waited %.1f ms, booted %.1f ms, selected %.1f ms, ran %.1f ms", finished.wait_ms,
                finished.boot_ms, finished.select_ms, finished.run_ms);
  return text.data();
}

}  // namespace

RunSession::RunSession(ctl::ClientConnection& connection, SignalChannel& signals, RunSetup setup, EventWriter* events)
    : connection_(connection), signals_(signals), setup_(std::move(setup)), events_(events), reporter_(setup_.reporter) {}

int RunSession::run() {
  // With results on stdout, whatever else is printed goes to stderr.
  const std::array<int, 3> streams{0, setup_.reporter.out, 2};
  if (auto sent = connection_.send_run(setup_.request, streams); !sent) return lost(sent.error());
  return follow();
}

int RunSession::follow() {
  for (;;) {
    while (const int number = signals_.take()) on_signal(number);
    if (deadline_ && Clock::now() >= *deadline_) return give_up();
    reporter_.tick();
    if (!connection_.has_buffered_event()) {
      if (auto waited = wait(); !waited) return lost(waited.error());
    }
    // No waiting here: half a frame must not make us deaf to signals.
    auto event = connection_.next_event(milliseconds(0));
    if (!event) return lost(event.error());
    if (!event->has_value()) continue;
    if (const auto code = on_event(**event)) return *code;
  }
}

core::Status RunSession::wait() {
  constexpr milliseconds k_for_ever{1 << 30};
  milliseconds patience = setup_.native ? reporter_.next_tick().value_or(k_for_ever) : k_for_ever;
  if (deadline_) patience = std::min(patience, std::chrono::ceil<milliseconds>(*deadline_ - Clock::now()));
  if (const auto due = events_ != nullptr ? events_->flush_when_due() : std::nullopt) patience = std::min(patience, *due);
  struct pollfd set[] = {{connection_.fd(), POLLIN, 0}, {signals_.fd(), POLLIN, 0}};
  const int timeout = static_cast<int>(std::max<milliseconds::rep>(patience.count(), 0));
  if (::poll(set, 2, timeout) < 0 && errno != EINTR) return core::Error::from_errno("poll", errno);
  return core::ok_status();
}

// ---------------------------------------------------------------- events

std::optional<int> RunSession::on_event(const core::Document& event) {
  const core::Value& root = event.root();
  if (events_ != nullptr) events_->write(root);
  if (auto result = message_as<core::ItemResult>(root)) on_result(*result);
  else if (auto progress = message_as<core::ProgressEvent>(root)) reporter_.progress(std::move(*progress));
  else if (auto finished = message_as<core::FinishedEvent>(root)) return on_finished(*finished);
  else if (auto error = message_as<core::ErrorEvent>(root)) return on_error(*error);
  else if (auto plan = message_as<core::PlanEvent>(root)) {
    reporter_.hide();
    if (setup_.verbose_plan) note(plan->way + ": " + plan->why);
  } else if (auto collected = message_as<core::CollectedEvent>(root)) on_collected(*collected);
  else if (auto phase = message_as<core::PhaseEvent>(root)) on_phase(*phase);
  else if (auto measured = message_as<core::MeasuredEvent>(root)) on_measured(*measured);
  else if (!setup_.native) return std::nullopt;
  else if (auto warning = message_as<core::WarningReport>(root)) reporter_.warning(*warning);
  else if (auto output = message_as<core::OutputEvent>(root)) reporter_.output(*output);
  return std::nullopt;
}

// What a run itself has to say while it goes on is worth a line with either reporter.
void RunSession::on_phase(const core::PhaseEvent& phase) {
  if (phase.name == "changed") {
    changed_ = phase.detail;
    return;
  }
  if (phase.name == "run" && !phase.detail.empty()) {
    reporter_.hide();
    note(phase.detail);
  }
  if (setup_.native) reporter_.phase(phase);
}

void RunSession::on_collected(const core::CollectedEvent& collected) {
  in_terminal_ = collected.workers == 0;
  if (setup_.figures != nullptr) setup_.figures->add_collected(collected);
  if (setup_.native) reporter_.collected(collected);
}

void RunSession::on_measured(const core::MeasuredEvent& measured) {
  if (setup_.figures != nullptr) setup_.figures->add_measured(measured);
}

void RunSession::on_result(const core::ItemResult& result) {
  if (setup_.figures != nullptr) setup_.figures->add_result(result);
  // One that another try follows is no outcome.
  if (setup_.keep_outcomes && result.outcome != "rerun") outcomes_[result.nodeid] = result.outcome;
  if (setup_.native) reporter_.result(result);
}

int RunSession::on_finished(const core::FinishedEvent& finished) {
  if (setup_.figures != nullptr) setup_.figures->add_finished(finished);
  if (setup_.native) reporter_.finished(finished);
  else if (!finished.text_shown && !finished.reason.empty()) note("the run ended early: " + finished.reason);
  if (!changed_.empty()) note("while the run went on: " + changed_ + "; what it says is of the files as they were before");
  if (setup_.verbose_plan) note(times_of(finished));
  return ended_by_ != 0 ? k_exit_signal + ended_by_ : static_cast<int>(finished.exit_code);
}

int RunSession::on_error(const core::ErrorEvent& error) {
  (void)reporter_.broken_off();
  return refuse(error);
}

int RunSession::lost(const core::Error& why) {
  const std::string when = reporter_.broken_off();
  if (ended_by_ != 0) return k_exit_signal + ended_by_;
  return refuse(k_exit_daemon_lost, "the daemon was lost " + when + " (failed to " + why.message + ")",
                "run again: a new daemon is started; `pfast logs` shows the last words of the old one");
}

int RunSession::give_up() {
  const std::string when = reporter_.broken_off();
  if (ended_by_ != 0) return k_exit_signal + ended_by_;
  const std::string pid = std::to_string(connection_.welcome().pid);
  return refuse(k_exit_daemon_lost, "the daemon did not answer the interrupt, " + when, "`kill " + pid + "` ends it");
}

// ---------------------------------------------------------------- signals

void RunSession::on_signal(int number) {
  if (number == SIGWINCH) return resize();
  if (number == SIGTSTP) return suspend();
  // A session on this terminal takes every Ctrl-C as pytest does: a debugger's prompt goes on after it.
  if (number == SIGINT && in_terminal_) return cancel("interrupt");
  if (number == SIGINT) return cancel(++interrupts_ == 1 ? "interrupt" : "kill");
  ended_by_ = number;
  cancel("kill");
}

void RunSession::cancel(const char* how) {
  core::CancelRequest request;
  request.how = how;
  if (request.how == "kill" && !deadline_) deadline_ = Clock::now() + k_kill_patience;
  (void)connection_.send(request);   // a lost daemon shows when it is read from
}

void RunSession::resize() {
  const core::TerminalInfo terminal = look_at_terminal(setup_.request.env, setup_.reporter.out);
  reporter_.resize(static_cast<int>(terminal.columns));
  core::ResizeRequest request;
  request.columns = terminal.columns;
  request.rows = terminal.rows;
  (void)connection_.send(request);
}

// Ctrl-Z: the shell writes next. The run goes on, as long as the daemon can deliver.
void RunSession::suspend() {
  reporter_.hide();
  ::kill(::getpid(), SIGSTOP);
  resize();
}

}  // namespace pf::cli
