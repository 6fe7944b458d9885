#include "run_session.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "exit_codes.hpp"
#include "say.hpp"

namespace pf::cli {
namespace {

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

RunSession::RunSession(ctl::ClientConnection& connection, ctl::SignalChannel& signals, RunSetup setup, EventWriter* events)
    : connection_(connection), signals_(signals), setup_(std::move(setup)), events_(events), reporter_(setup_.reporter) {}

int RunSession::run() {
  // With results on stdout, whatever else is printed goes to stderr.
  ctl::RunConversation conversation(connection_, signals_, *this);
  const ctl::RunEnd end = conversation.run(setup_.request, {0, setup_.reporter.out, 2});
  switch (end.how) {
    case ctl::RunEnd::How::finished: return on_finished(end);
    case ctl::RunEnd::How::refused: return on_error(end.error);
    case ctl::RunEnd::How::silent: return on_silence(end);
    case ctl::RunEnd::How::lost: break;
  }
  return on_lost(end);
}

// Also when an event that was written has to be in its file.
std::optional<std::chrono::milliseconds> RunSession::next_tick() {
  const auto tick = setup_.native ? reporter_.next_tick() : std::nullopt;
  const auto due = events_ != nullptr ? events_->flush_when_due() : std::nullopt;
  if (!tick || !due) return tick ? tick : due;
  return std::min(*tick, *due);
}

// ---------------------------------------------------------------- events

void RunSession::on_event(const core::Value& root) {
  if (events_ != nullptr) events_->write(root);
  if (auto result = message_as<core::ItemResult>(root)) on_result(*result);
  else if (auto progress = message_as<core::ProgressEvent>(root)) reporter_.progress(std::move(*progress));
  else if (auto plan = message_as<core::PlanEvent>(root)) {
    reporter_.hide();
    if (setup_.verbose_plan) note(plan->way + ": " + plan->why);
  } else if (auto collected = message_as<core::CollectedEvent>(root)) on_collected(*collected);
  else if (auto phase = message_as<core::PhaseEvent>(root)) on_phase(*phase);
  else if (auto measured = message_as<core::MeasuredEvent>(root)) on_measured(*measured);
  else if (!setup_.native) return;
  else if (auto warning = message_as<core::WarningReport>(root)) reporter_.warning(*warning);
  else if (auto output = message_as<core::OutputEvent>(root)) reporter_.output(*output);
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

int RunSession::on_finished(const ctl::RunEnd& end) {
  const core::FinishedEvent& finished = end.finished;
  if (setup_.figures != nullptr) setup_.figures->add_finished(finished);
  if (setup_.native) reporter_.finished(finished);
  else if (!finished.text_shown && !finished.reason.empty()) note("the run ended early: " + finished.reason);
  if (!changed_.empty()) note("while the run went on: " + changed_ + "; what it says is of the files as they were before");
  if (setup_.verbose_plan) note(times_of(finished));
  return end.ended_by != 0 ? k_exit_signal + end.ended_by : static_cast<int>(finished.exit_code);
}

int RunSession::on_error(const core::ErrorEvent& error) {
  (void)reporter_.broken_off();
  return refuse(error);
}

int RunSession::on_lost(const ctl::RunEnd& end) {
  const std::string when = reporter_.broken_off();
  if (end.ended_by != 0) return k_exit_signal + end.ended_by;
  return refuse(k_exit_daemon_lost, "the daemon was lost " + when + " (failed to " + end.why.message + ")",
                "run again: a new daemon is started; `pfast logs` shows the last words of the old one");
}

int RunSession::on_silence(const ctl::RunEnd& end) {
  const std::string when = reporter_.broken_off();
  if (end.ended_by != 0) return k_exit_signal + end.ended_by;
  const std::string pid = std::to_string(connection_.welcome().pid);
  return refuse(k_exit_daemon_lost, "the daemon did not answer the interrupt, " + when, "`kill " + pid + "` ends it");
}

}  // namespace pf::cli
