// The text of --detailed: where one run's time went, what that was mostly, and how many workers the suite is worth. Pure.
//
// Its figures add up: workers x wall = busy + bus wait + start + tail, busy = set-up + call + teardown + pytest's own, to the
// millisecond that is printed.
#pragma once

#include <string>

#include <pfcore/export.hpp>
#include <pfcore/run_figures.hpp>
#include <pfcore/text_report.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

struct DetailedStyle {
  TextStyle text{};          // color, columns, rootdir and cwd
  bool failures = false;     // with the failures and their tracebacks (RunFigures must have kept them): a summary by itself
};

// Starts at the beginning of a line and ends with a line break. Empty when nothing was measured.
[[nodiscard]] std::string detailed_text(const RunFigures& figures, const DetailedStyle& style);

// "waiting on input/output: tests wait for 85 % of their time".
[[nodiscard]] std::string verdict_line(const Assessment& found, const VerdictInput& input, const std::string& longest_name);
// "-n 4 instead of -n 2: 6.300 s expected instead of 12.000 s; more would not help, as …".
[[nodiscard]] std::string advice_line(const WorkerAdvice& advice, const AdviceInput& input, const std::string& longest_name);

}  // namespace pf::core
PF_CORE_API_END
