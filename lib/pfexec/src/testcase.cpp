#include "testcase.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <system_error>
#include <utility>

#include "plain_report.hpp"

namespace py = pybind11;

namespace pf::exec {
namespace {

// Nothing in it that XML, or pytest, would write in another way.
bool is_verbatim(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~' && c != '&' && c != '<' && c != '>' && c != '"'; });
}

// Empty: none.
std::string_view utf8_of(PyObject* text) {
  Py_ssize_t size = 0;
  const char* const utf8 = text != nullptr && PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, &size) : nullptr;
  if (utf8 == nullptr) PyErr_Clear();
  return utf8 != nullptr ? std::string_view(utf8, static_cast<std::size_t>(size)) : std::string_view();
}

// A report's (file, line, domain).
struct Location {
  std::string_view file;
  std::string line;              // empty: none
};

std::optional<Location> location_of(PyObject* location) {
  if (location == nullptr || !PyTuple_CheckExact(location) || PyTuple_GET_SIZE(location) != 3) return std::nullopt;
  Location out{utf8_of(PyTuple_GET_ITEM(location, 0)), {}};
  PyObject* const line = PyTuple_GET_ITEM(location, 1);
  if (line == Py_None) return out;
  if (!PyLong_CheckExact(line)) return std::nullopt;
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(line, &overflow);
  if (overflow != 0) return std::nullopt;
  out.line = std::to_string(number);
  return out;
}

// Where the item's own name begins, behind the last "::" in front of its parameters; 0: nowhere.
std::size_t name_place(std::string_view nodeid) {
  const std::size_t separator = nodeid.substr(0, nodeid.find('[')).rfind("::");
  return separator == std::string_view::npos ? 0 : separator + 2;
}

}  // namespace

TestcaseWriter& TestcaseWriter::instance() {
  static TestcaseWriter* const writer = new TestcaseWriter;   // never freed: the interpreter may be gone by then
  return *writer;
}

bool TestcaseWriter::has_more(const py::handle& report) {
  const py::object fields = report_fields(report);
  return !fields || PyDict_GetItem(fields.ptr(), report_names().url) != nullptr || PyDict_GetItem(fields.ptr(), report_names().recorded) != nullptr;
}

void TestcaseWriter::enable(py::object example, const std::array<bool, 3>& counts) {
  example_ = std::move(example);
  counts_ = counts;
}

bool TestcaseWriter::note(const py::handle& report, const core::PhaseReport& phase) {
  if (!example_ || next_ >= k_phases.size() || phase.when != k_phases[next_] || has_more(report)) return false;
  seconds_[next_] = phase.duration_s;
  if (next_ + 1 == k_phases.size() && !put(report)) return false;
  ++next_;
  return true;
}

std::span<const double> TestcaseWriter::spoil() {
  const std::size_t noted = std::exchange(next_, k_spoilt);
  return noted == k_spoilt ? std::span<const double>() : std::span<const double>(seconds_).first(noted);
}

std::string TestcaseWriter::finish() { return next_ == k_phases.size() ? std::exchange(text_, {}) : std::string(); }

bool TestcaseWriter::put(const py::handle& report) {
  const py::object fields = report_fields(report);
  if (!fields) return false;
  const std::string_view nodeid = utf8_of(report_nodeid(fields.ptr()));
  const auto location = location_of(PyDict_GetItem(fields.ptr(), report_names().location));
  const std::size_t begin = name_place(nodeid);
  if (begin == 0 || !location || !is_verbatim(nodeid.substr(begin))) return false;
  std::string key(nodeid.substr(0, begin));
  key.append(1, '\0').append(location->file).append(1, location->line.empty() ? '\0' : '\1');
  const Template& pieces = template_of(report, std::move(key), nodeid.substr(begin), location->line);
  if (!pieces) return false;
  double took_s = 0;             // added up in pytest's order
  for (std::size_t i = 0; i < k_phases.size(); ++i) took_s += counts_[i] ? seconds_[i] : 0;
  char seconds[64];
  const auto [end, error] = std::to_chars(std::begin(seconds), std::end(seconds), took_s, std::chars_format::fixed, 3);
  if (error != std::errc() || !std::isfinite(took_s)) return false;
  text_.clear();
  for (const Piece& piece : *pieces) {
    text_ += piece.text;
    if (piece.behind == Slot::name) text_ += nodeid.substr(begin);
    else if (piece.behind == Slot::line) text_ += location->line;
    else if (piece.behind == Slot::time) text_.append(std::begin(seconds), end);
  }
  return true;
}

const TestcaseWriter::Template& TestcaseWriter::template_of(const py::handle& report, std::string key, std::string_view name,
                                                            const std::string& line) {
  const auto known = templates_.find(key);
  if (known != templates_.end()) return known->second;
  return templates_.emplace(std::move(key), ask_for_example(report, name, line)).first->second;
}

TestcaseWriter::Template TestcaseWriter::ask_for_example(const py::handle& report, std::string_view name, const std::string& line) const {
  std::vector<Piece> pieces;
  try {
    const py::object found = example_(report, name, line);
    if (found.is_none()) return std::nullopt;
    for (const py::handle entry : found) {
      const auto pair = py::reinterpret_borrow<py::tuple>(entry);
      const auto behind = pair[1].cast<std::string>();
      pieces.push_back({pair[0].cast<std::string>(), behind == "name" ? Slot::name : behind == "line" ? Slot::line : behind == "time" ? Slot::time : Slot::none});
    }
  } catch (py::error_already_set&) {
    return std::nullopt;         // the report goes the whole way, and whatever is wrong is said there
  }
  return pieces;
}

}  // namespace pf::exec
