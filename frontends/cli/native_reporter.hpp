// pfast's own reporter: a live line on a terminal, letters or lines elsewhere, and pytest's summary at the end.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include <pfcore/messages.hpp>
#include <pfcore/text_report.hpp>

#include "pytest_args.hpp"
#include "terminal.hpp"

namespace pf::cli {

class NativeReporter {
 public:
  struct Setup {
    PytestArgs args;
    int out = 1;                   // where text goes
    bool live = false;             // that is a terminal on which a line can be redrawn
    double connect_ms = 0;         // until there was a daemon
    bool mute = false;             // prints nothing but that line
    std::string label;             // stands at its beginning
    std::string title;             // "pfast 0.10.0 · python 3.11 · root /p": the header's beginning
  };

  explicit NativeReporter(Setup setup);

  void phase(const core::PhaseEvent& event);
  void collected(const core::CollectedEvent& event);
  void result(const core::ItemResult& result);
  void warning(const core::WarningReport& warning);
  void progress(core::ProgressEvent event) { progress_ = std::move(event); }
  void output(const core::OutputEvent& event);
  void finished(const core::FinishedEvent& event);
  // The run will have no finished event: leaves the output at the beginning of a line. What was done by then, in words.
  std::string broken_off();

  // Writes what has been printed, and draws the live line if it is time. next_tick: how long from now that will be; nullopt = never.
  void tick();
  [[nodiscard]] std::optional<std::chrono::milliseconds> next_tick() const;
  void resize(int columns) { columns_ = columns; }
  void hide() { line_.clear(); }

 private:
  void put_letter(const core::PhaseReport& phase);
  void put_line(const core::ItemResult& result, const core::PhaseReport& phase);
  void put_failure(const core::ItemResult& result, const core::PhaseReport& phase);
  void end_letters();
  void take_options(const core::TextOptions& options);
  void note_category(const core::PhaseReport& phase);
  [[nodiscard]] std::string live_text() const;
  [[nodiscard]] std::string percent() const;
  [[nodiscard]] std::size_t percent_columns() const;
  [[nodiscard]] std::string end_of_line(std::string_view text, std::size_t used) const;
  [[nodiscard]] std::string_view main_color() const;
  [[nodiscard]] std::string painted(std::string_view text, std::string_view color) const;
  [[nodiscard]] std::string shown_nodeid(std::string_view nodeid) const;

  Setup setup_;
  core::TextReport report_;
  LiveLine line_;
  int columns_;
  std::size_t total_ = 0;
  std::size_t done_ = 0;
  std::size_t failed_ = 0;
  std::size_t column_ = 0;         // columns of letters in the line at hand
  int verbosity_;                  // of lines and letters: verbosity_test_cases
  std::string progress_style_;     // as TextOptions.progress
  bool any_failed_ = false;        // what the colour of the percentage depends on
  bool any_odd_ = false;           // warnings, xpassed, categories of plugins
  bool any_passed_ = false;
  std::string doing_;              // before the first test: "collecting …"
  std::string plugin_output_;
  core::ProgressEvent progress_;
  std::chrono::steady_clock::time_point started_;
};

}  // namespace pf::cli
