// One run of the command line: what its events become, and the exit code.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include <pfcore/run_figures.hpp>
#include <pfctl/run_conversation.hpp>

#include "event_writer.hpp"
#include "json_output.hpp"
#include "native_reporter.hpp"

namespace pf::cli {

struct RunSetup {
  core::RunRequest request;
  NativeReporter::Setup reporter;
  bool native = true;
  bool verbose_plan = false;
  bool keep_outcomes = false;                 // for --dump
  core::RunFigures* figures = nullptr;        // for --detailed and --bench: is told every event
};

class RunSession final : private ctl::RunObserver {
 public:
  RunSession(ctl::ClientConnection& connection, ctl::SignalChannel& signals, RunSetup setup, EventWriter* events);

  // Sends the request and follows the run to its end. Returns pytest's exit code or one of pfast's.
  int run();
  [[nodiscard]] const Outcomes& outcomes() const noexcept { return outcomes_; }

 private:
  void on_event(const core::Value& root) override;
  std::optional<std::chrono::milliseconds> next_tick() override;
  void on_tick() override { reporter_.tick(); }
  void on_resize(const core::TerminalInfo& terminal) override { reporter_.resize(static_cast<int>(terminal.columns)); }
  void before_stop() override { reporter_.hide(); }

  void on_phase(const core::PhaseEvent& phase);
  void on_collected(const core::CollectedEvent& collected);
  void on_measured(const core::MeasuredEvent& measured);
  void on_result(const core::ItemResult& result);
  int on_finished(const ctl::RunEnd& end);
  int on_error(const core::ErrorEvent& error);
  int on_lost(const ctl::RunEnd& end);
  int on_silence(const ctl::RunEnd& end);

  ctl::ClientConnection& connection_;
  ctl::SignalChannel& signals_;
  RunSetup setup_;
  EventWriter* events_;
  NativeReporter reporter_;
  Outcomes outcomes_;
  std::string changed_;                       // while the run went on: "changed: test_a.py"
};

}  // namespace pf::cli
