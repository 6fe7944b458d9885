// One run seen from the client: the request, the conversation, signals, and the exit code.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include <pfcore/run_figures.hpp>
#include <pfctl/client.hpp>

#include "event_writer.hpp"
#include "json_output.hpp"
#include "native_reporter.hpp"
#include "signal_channel.hpp"

namespace pf::cli {

struct RunSetup {
  core::RunRequest request;
  NativeReporter::Setup reporter;
  bool native = true;
  bool verbose_plan = false;
  bool keep_outcomes = false;                 // for --dump
  core::RunFigures* figures = nullptr;        // for --detailed and --bench: is told every event
};

class RunSession {
 public:
  RunSession(ctl::ClientConnection& connection, SignalChannel& signals, RunSetup setup, EventWriter* events);

  // Sends the request and follows the run to its end. Returns pytest's exit code or one of pfast's.
  int run();
  [[nodiscard]] const Outcomes& outcomes() const noexcept { return outcomes_; }

 private:
  using Clock = std::chrono::steady_clock;

  int follow();
  // Until there is something to read, a signal, or the time to draw.
  [[nodiscard]] core::Status wait();
  // The exit code once the run is over.
  std::optional<int> on_event(const core::Document& event);
  void on_phase(const core::PhaseEvent& phase);
  void on_collected(const core::CollectedEvent& collected);
  void on_measured(const core::MeasuredEvent& measured);
  void on_result(const core::ItemResult& result);
  int on_finished(const core::FinishedEvent& finished);
  int on_error(const core::ErrorEvent& error);
  void on_signal(int number);
  void cancel(const char* how);
  void resize();
  void suspend();
  int lost(const core::Error& why);
  int give_up();

  ctl::ClientConnection& connection_;
  SignalChannel& signals_;
  RunSetup setup_;
  EventWriter* events_;
  NativeReporter reporter_;
  Outcomes outcomes_;
  bool in_terminal_ = false;                  // -n 0, --pdb: no worker, the session itself has our streams
  std::string changed_;                       // while the run went on: "changed: test_a.py"
  int interrupts_ = 0;
  int ended_by_ = 0;                          // SIGTERM or SIGHUP
  std::optional<Clock::time_point> deadline_; // after "kill": the daemon's answer is not waited for any longer
};

}  // namespace pf::cli
