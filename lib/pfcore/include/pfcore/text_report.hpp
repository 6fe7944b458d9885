// pytest's words and lines as text: what the native reporter prints. Pure; no terminal is touched here.
//
// The oracle is pytest 9's terminal reporter. Two things differ on purpose: what several workers reported is put into the
// order of the run's items, and after a KeyboardInterrupt no traceback location is printed, as no process knows one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <pfcore/export.hpp>
#include <pfcore/messages.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

struct TextStyle {
  bool color = false;      // ANSI markup as pytest uses it
  int columns = 80;
  int verbosity = 0;       // -q = -1, -v = 1, …
  std::string report_chars = "fE";  // -r letters as given; "a", "A", "N" and the old "F", "S" are understood
  int durations = -1;      // --durations=N; 0 = all; -1 = not asked for
  double durations_min_s = 0.005;
  bool durations_min_given = false;  // --durations-min was given; if not, -vv shows all
  bool show_capture = true;
  bool no_summary = false;
  bool show_warnings = true;    // false: --disable-warnings
  bool fold_skips = true;       // false: --no-fold-skipped
  bool xfail_tb = false;        // --xfail-tb
  bool full_reasons = false;    // reasons in the short summary are not cut to the line, as with -vv: CI or BUILD_NUMBER is set
  bool short_reasons = false;   // --force-short-summary
  bool full_trace = false;      // --full-trace: FinishedEvent::reason_at is a traceback
  std::string tb = "auto";      // --tb: "no" leaves the tracebacks out, "line" prints them without head lines
  std::string rootdir;          // pytest's rootdir and the client's directory, absolute: node ids in the short summary are
  std::string cwd;              // shown relative to the latter; either empty = as they are
};

// Takes over what the session says of its options; nothing when it said nothing.
void take_options(TextStyle& style, const TextOptions& options);

// A line of `fill` with the title in its middle: "===== FAILURES =====", as wide as style.columns. Without markup and
// without a line break; an empty title gives the bare line.
[[nodiscard]] std::string section_line(std::string_view title, char fill, const TextStyle& style);
// "1.234ms", "12.3s", "1m 5s": pytest's words of console_output_style = times, at most 7 columns below 100 hours.
[[nodiscard]] std::string node_duration(double seconds);
// Columns that UTF-8 text takes on a terminal; control characters take none.
[[nodiscard]] std::size_t text_columns(std::string_view utf8) noexcept;

// Everything that one run has to tell, collected event by event.
class TextReport {
 public:
  explicit TextReport(TextStyle style);
  // Before anything is added.
  void set_style(TextStyle style);
  void add_collected(const CollectedEvent& event);
  void add_result(const ItemResult& result);
  void add_warning(const WarningReport& warning);
  // Milliseconds until the client had its daemon. Known, the summary has a line of where the time went.
  void note_connect(double ms) { connect_ms_ = ms; }

  // "connect 0.4 ms · boot 812 ms · select 4.1 ms · run 211 ms · parallelism 1.84 of 2 workers": what came before the tests,
  // the run from the first item to the session's end, and the items' own time for each second of it.
  [[nodiscard]] std::string phases_line(const FinishedEvent& finished) const;
  // "1 failed, 2 passed in 0.12s" in pytest's order of words, with pytest's colours, without the bars.
  [[nodiscard]] std::string counts_line(const FinishedEvent& finished) const;
  // One failed or errored item as pytest's FAILURES / ERRORS section prints it: head line, traceback, captured sections.
  // Empty when nothing failed in it, and with tb "no".
  [[nodiscard]] std::string failure_text(const ItemResult& result) const;
  // Everything after progress: ERRORS, FAILURES, warnings summary, plugins' output, durations, short test summary info,
  // the stop reason ("!!!! … !!!!") and the last line. Starts at the beginning of a line and ends with a line break.
  [[nodiscard]] std::string summary(const FinishedEvent& finished, std::string_view plugin_output) const;

 private:
  // A report with the node id that it belongs to; `item` is null for a collector.
  struct Entry {
    const PhaseReport* report;
    std::string_view nodeid;
    const ItemResult* item;
  };
  struct Duration {
    double seconds;
    std::string when;
    std::string nodeid;
  };

  void count(std::string_view category, std::size_t amount = 1);
  [[nodiscard]] std::size_t counted(std::string_view category) const noexcept;
  [[nodiscard]] bool wants(char letter) const noexcept;
  [[nodiscard]] bool is_notable(const ItemResult& result) const;
  [[nodiscard]] std::vector<Entry> entries(std::string_view category) const;

  // text_report.cpp: the long sections
  void put_sections(std::string& out, const Entry& entry) const;
  void put_teardown_sections(std::string& out, const Entry& entry) const;
  void put_error(std::string& out, const Entry& entry) const;
  void put_failure(std::string& out, const Entry& entry) const;
  void put_errors(std::string& out) const;
  void put_failures(std::string& out, std::string_view category, std::string_view title) const;
  void put_flaky(std::string& out) const;
  void put_passes(std::string& out, std::string_view category, std::string_view title) const;

  // text_report_lists.cpp: warnings, durations
  void put_warnings(std::string& out) const;
  void put_durations(std::string& out) const;

  // text_report_short.cpp: the short test summary
  void put_short_summary(std::string& out) const;
  void put_trimmed_lines(std::string& lines, std::string_view category) const;
  void put_xfailed_lines(std::string& lines) const;
  void put_xpassed_lines(std::string& lines) const;
  void put_skipped_lines(std::string& lines) const;
  void put_folded_skips(std::string& lines, const std::vector<Entry>& skipped) const;

  // text_report_counts.cpp: the end
  void put_stop_reason(std::string& out, const FinishedEvent& finished) const;
  void put_phases(std::string& out, const FinishedEvent& finished) const;
  void put_not_run(std::string& out, const FinishedEvent& finished) const;
  void put_last_line(std::string& out, const FinishedEvent& finished) const;

  TextStyle style_;
  std::string letters_;                       // of -r, expanded, in the order in which they are printed
  std::vector<std::pair<std::string, std::size_t>> counts_;  // by category, in order of appearance
  std::vector<ItemResult> notable_;           // results with something to show
  std::vector<Duration> durations_;
  std::vector<PhaseReport> collect_reports_;
  double connect_ms_ = -1;                    // -1: not told
  double items_s_ = 0;                        // set-up, call and teardown of all items
  std::int64_t workers_ = 0;
  std::vector<WarningReport> warnings_;
  std::unordered_map<std::string, std::uint32_t> warned_items_;  // node ids with warnings: their place in the run
};

}  // namespace pf::core
PF_CORE_API_END
