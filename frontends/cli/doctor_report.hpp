// What `pfast doctor` found: checks with facts, and findings that say what to do. As text for people, or as JSON.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace pf::cli {

using Json = nlohmann::ordered_json;

enum class Level : unsigned char {
  note,        // good to know; nothing has to be done
  problem,     // something should be done: exit code 80
};

struct Finding {
  Level level = Level::note;
  std::string what;
  std::string advice;
};

struct Check {
  explicit Check(std::string name_of_it, std::string why_unknown = {}) : name(std::move(name_of_it)), unknown(std::move(why_unknown)) {}

  std::string name;                    // one word, stable
  std::string summary;                 // one line
  std::vector<std::string> details;    // further lines, for people
  Json facts = Json::object();         // the same for programs
  std::vector<Finding> findings;
  std::string unknown;                 // why this could not be looked at; empty: it was

  void problem(std::string what, std::string advice) { findings.push_back({Level::problem, std::move(what), std::move(advice)}); }
  void note(std::string what, std::string advice) { findings.push_back({Level::note, std::move(what), std::move(advice)}); }
  // "problem", "note", "unknown" or "ok".
  [[nodiscard]] const char* state() const noexcept;
};

struct DoctorReport {
  std::string root;
  std::vector<Check> checks;
};

[[nodiscard]] std::size_t count(const DoctorReport& report, Level level) noexcept;
[[nodiscard]] std::string doctor_text(const DoctorReport& report);
// {"version": 1, "pfast", "root", "problems", "notes", "checks": [{"name", "state", "summary", "unknown", "facts", "findings":
// [{"level", "what", "advice"}]}]}
[[nodiscard]] Json doctor_json(const DoctorReport& report);

// "3 files", "1 file"
[[nodiscard]] std::string counted(std::int64_t number, const char* one);
// Whole MiB.
[[nodiscard]] std::string mebibytes_text(std::int64_t bytes);
// "a, b, c and 4 more"
[[nodiscard]] std::string some_of(const std::vector<std::string>& words, std::size_t most);

}  // namespace pf::cli
