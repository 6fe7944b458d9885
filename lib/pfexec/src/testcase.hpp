// An item's element in the file that --junitxml names, for items that passed and of which there is nothing else to tell: most items
// of most runs. The text is pytest's own, of the first item in the same file and class; the others' differ in name, line and time.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <pybind11/pybind11.h>

#include <pfcore/messages.hpp>

namespace pf::exec {

// One item, report by report. Needs the GIL.
class TestcaseWriter {
 public:
  static constexpr std::array<std::string_view, 3> k_phases = {"setup", "call", "teardown"};

  [[nodiscard]] static TestcaseWriter& instance();
  // Does a report that passed tell the file more than its phase and duration: a url, what fixtures recorded (junit.py)?
  [[nodiscard]] static bool has_more(const pybind11::handle& report);

  // `example`(report, name, line) gives what pytest writes for the item of a report, as [(text, what stands behind it: "name", "line",
  // "time" or "")], or None. `counts`: does a testcase's time include its set-up, its call, its teardown? Without this nothing is written.
  void enable(pybind11::object example, const std::array<bool, 3>& counts);

  [[nodiscard]] bool enabled() const { return static_cast<bool>(example_); }

  // An item, or the next try of one.
  void begin() { next_ = 0; }
  // A report that passed and has neither output nor properties that the file would have, as `phase` tells it. False: it is no such
  // report, or the item's earlier ones were not; then spoil() is next.
  [[nodiscard]] bool note(const pybind11::handle& report, const core::PhaseReport& phase);
  // The item will have no testcase of this writer's. Gives the seconds of the phases that were noted: set-up, call and teardown, as far
  // as there were any. Until the next one begins all further calls give none.
  [[nodiscard]] std::span<const double> spoil();
  // Of an item with nothing but a set-up, a call and a teardown that were noted; otherwise empty.
  [[nodiscard]] std::string finish();

 private:
  enum class Slot : unsigned char { none, name, line, time };
  struct Piece {
    std::string text;
    Slot behind;
  };
  using Template = std::optional<std::vector<Piece>>;
  static constexpr std::size_t k_spoilt = 4;   // phases

  [[nodiscard]] bool put(const pybind11::handle& report);
  [[nodiscard]] const Template& template_of(const pybind11::handle& report, std::string key, std::string_view name, const std::string& line);
  [[nodiscard]] Template ask_for_example(const pybind11::handle& report, std::string_view name, const std::string& line) const;

  pybind11::object example_;
  std::array<bool, 3> counts_{};
  std::unordered_map<std::string, Template> templates_;   // by node id without the name, file, and whether there is a line
  std::size_t next_ = k_spoilt;   // phase that is expected; 3: whole
  std::array<double, 3> seconds_{};
  std::string text_;
};

}  // namespace pf::exec
