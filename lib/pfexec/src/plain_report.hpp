// pytest's serialised form of a report that holds plain values only, written without running any Python code but the str()
// of a node id: most reports of most runs.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include <pybind11/pybind11.h>

#include <pfcore/pickle_writer.hpp>

namespace pf::exec {

// The names of a report's fields. Made once and never freed: a lookup by a C string makes a text of it each time, and the interpreter
// may be gone when statics are.
struct ReportNames {
  PyObject* const outcome = PyUnicode_InternFromString("outcome");
  PyObject* const wasxfail = PyUnicode_InternFromString("wasxfail");
  PyObject* const longrepr = PyUnicode_InternFromString("longrepr");
  PyObject* const sections = PyUnicode_InternFromString("sections");
  PyObject* const user_properties = PyUnicode_InternFromString("user_properties");
  PyObject* const when = PyUnicode_InternFromString("when");
  PyObject* const duration = PyUnicode_InternFromString("duration");
  PyObject* const start = PyUnicode_InternFromString("start");
  PyObject* const id = PyUnicode_InternFromString("_id");
  PyObject* const nodeid = PyUnicode_InternFromString("nodeid");
  PyObject* const location = PyUnicode_InternFromString("location");
  PyObject* const url = PyUnicode_InternFromString("url");
  PyObject* const recorded = PyUnicode_InternFromString("pfast_junit");   // junit.py's
};
[[nodiscard]] const ReportNames& report_names();

// The report's __dict__; nothing when it has none.
[[nodiscard]] pybind11::object report_fields(const pybind11::handle& report);
// Its node id as a text, borrowed until the next call; null when there is none.
[[nodiscard]] PyObject* report_nodeid(PyObject* fields);

// What a report's fields looked like. Held are the objects themselves, which are immutable (containers but tuples of atoms are taken
// apart), so that nothing that a plugin does to the report afterwards changes it.
class Likeness {
 public:
  void forget();
  void take(PyObject* fields);
  // As take() saw it but for the fields of the short form, which `replaced` gets.
  [[nodiscard]] bool matches(PyObject* fields, std::array<PyObject*, 4>& replaced) const;

 private:
  struct Seen {
    pybind11::object object;   // a container's type
    Py_ssize_t size;           // a container's, otherwise -1
    std::optional<std::size_t> place;   // in the short form, of a key whose value is not held
  };
  template <typename Visit>
  static bool walk(PyObject* value, int depth, Visit& visit);

  std::vector<Seen> seen_;
};

// The pickles of what pytest's own pytest_report_to_serializable gives. Each takes an instance of exactly
// _pytest.reports.TestReport; nothing when something in it is no plain value (an exception's representation, a path, an object of
// a plugin, nesting beyond 8), which only the hook itself can turn into one. Needs the GIL.
class ReportPickler {
 public:
  [[nodiscard]] static ReportPickler& instance();

  [[nodiscard]] std::optional<std::string> whole(const pybind11::handle& report);
  // Of one item's reports, one after the other: in the short form (pfcore/short_report.hpp) where the first allows for it.
  [[nodiscard]] std::optional<std::string> next(const pybind11::handle& report, bool is_first);
  // The item's first report was written by somebody else.
  void forget() { first_.forget(); }

 private:
  [[nodiscard]] std::optional<std::string> pickle(PyObject* fields);
  [[nodiscard]] std::optional<std::string> pickle_short(const std::array<PyObject*, 4>& replaced);

  std::optional<core::PickleWriter> out_;   // its memory serves all reports
  Likeness first_;
};

}  // namespace pf::exec
