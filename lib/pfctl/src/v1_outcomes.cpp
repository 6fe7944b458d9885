#include <pfctl/v1_outcomes.hpp>

#include <algorithm>
#include <array>

namespace pf::ctl {
namespace {

// From the mildest to what outdoes all others.
constexpr std::array<std::string_view, 6> k_outcomes{"passed", "skipped", "xfailed", "xpassed", "failed", "error"};

std::string_view text_of(const core::Value& report, std::string_view key) {
  const auto value = report.find(key);
  return value ? value->as_str().value_or("") : std::string_view();
}

// What pytest_report_teststatus says, pytest's own and that of its skipping plugin; empty: it is not counted.
std::string_view category_of(const core::Value& report) {
  const std::string_view outcome = text_of(report, "outcome");
  const bool is_call = text_of(report, "when") == "call";
  if (const auto reason = report.find("wasxfail"); reason && outcome == "skipped") return "xfailed";
  else if (reason && outcome == "passed") return "xpassed";
  if (outcome == "skipped") return "skipped";
  if (outcome == "failed") return is_call ? "failed" : "error";
  return is_call && outcome == "passed" ? "passed" : "";
}

std::size_t rank_of(std::string_view outcome) {
  return static_cast<std::size_t>(std::find(k_outcomes.begin(), k_outcomes.end(), outcome) - k_outcomes.begin());
}

}  // namespace

void V1Outcomes::add(const core::Value& report) {
  const std::string_view kind = text_of(report, "$report_type");
  const std::string_view nodeid = text_of(report, "nodeid");
  if (nodeid.empty() || (!kind.empty() && kind != "TestReport")) return;
  std::string& outcome = outcomes_.try_emplace(std::string(nodeid), "passed").first->second;
  const std::string_view category = category_of(report);
  if (!category.empty() && rank_of(category) > rank_of(outcome)) outcome = category;
  if (text_of(report, "when") == "teardown") ++done_;
}

}  // namespace pf::ctl
