#include "doctor_report.hpp"

#include <algorithm>

namespace pf::cli {
namespace {

constexpr std::size_t k_name_width = 14;
constexpr std::size_t k_state_width = 9;

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

bool has(const Check& check, Level level) {
  return std::any_of(check.findings.begin(), check.findings.end(), [level](const Finding& finding) { return finding.level == level; });
}

void append(std::string& out, const Check& check) {
  const std::string indent(k_state_width, ' ');
  out += padded(check.state(), k_state_width) + padded(check.name, k_name_width);
  out += (check.unknown.empty() ? check.summary : "not known: " + check.unknown) + '\n';
  for (const std::string& line : check.details) out += indent + "  " + line + '\n';
  for (const Finding& finding : check.findings) {
    out += indent + (finding.level == Level::problem ? "! " : "- ") + finding.what + '\n';
    if (!finding.advice.empty()) out += indent + "  -> " + finding.advice + '\n';
  }
}

}  // namespace

const char* Check::state() const noexcept {
  if (has(*this, Level::problem)) return "problem";
  if (!unknown.empty()) return "unknown";
  return findings.empty() ? "ok" : "note";
}

std::size_t count(const DoctorReport& report, Level level) noexcept {
  std::size_t out = 0;
  for (const Check& check : report.checks) {
    out += static_cast<std::size_t>(
        std::count_if(check.findings.begin(), check.findings.end(), [level](const Finding& finding) { return finding.level == level; }));
  }
  return out;
}

std::string doctor_text(const DoctorReport& report) {
  std::string out = std::string("pfast ") + PF_VERSION + " · root " + report.root + "\n\n";
  for (const Check& check : report.checks) append(out, check);
  const std::size_t problems = count(report, Level::problem);
  const std::size_t notes = count(report, Level::note);
  out += '\n' + (problems == 0 ? std::string("nothing is wrong") : counted(static_cast<std::int64_t>(problems), "problem"));
  if (notes > 0) out += ", " + counted(static_cast<std::int64_t>(notes), "note");
  const auto unknown = std::count_if(report.checks.begin(), report.checks.end(), [](const Check& check) { return !check.unknown.empty(); });
  if (unknown > 0) out += ", " + counted(unknown, "check") + " of the suite not made";
  return out + '\n';
}

Json doctor_json(const DoctorReport& report) {
  Json out;
  out["version"] = 1;
  out["pfast"] = PF_VERSION;
  out["root"] = report.root;
  out["problems"] = count(report, Level::problem);
  out["notes"] = count(report, Level::note);
  out["checks"] = Json::array();
  for (const Check& check : report.checks) {
    Json findings = Json::array();
    for (const Finding& finding : check.findings) {
      findings.push_back({{"level", finding.level == Level::problem ? "problem" : "note"}, {"what", finding.what}, {"advice", finding.advice}});
    }
    out["checks"].push_back({{"name", check.name}, {"state", check.state()}, {"summary", check.summary},
                             {"unknown", check.unknown}, {"facts", check.facts}, {"findings", findings}});
  }
  return out;
}

std::string counted(std::int64_t number, const char* one) {
  std::string text = std::to_string(number) + ' ' + one;
  if (number == 1) return text;
  if (text.ends_with("ss")) return text + "es";
  return text + 's';
}

std::string mebibytes_text(std::int64_t bytes) { return std::to_string((bytes + (1 << 19)) >> 20) + " MiB"; }

std::string some_of(const std::vector<std::string>& words, std::size_t most) {
  std::string out;
  const std::size_t shown = words.size() > most + 1 ? most : words.size();   // "and 1 more" is no shorter
  for (std::size_t i = 0; i < shown; ++i) out += (i == 0 ? "" : ", ") + words[i];
  if (shown < words.size()) out += " and " + std::to_string(words.size() - shown) + " more";
  return out;
}

}  // namespace pf::cli
