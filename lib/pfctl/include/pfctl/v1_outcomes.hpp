// What the reports of a version 1 run add up to: one word a test, as the predecessor's `categorize` finds it. Pure; not thread-safe.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include <pfcore/value.hpp>

namespace pf::ctl {

class V1Outcomes {
 public:
  // One phase, in the form of pytest_report_to_serializable. What is no test's report, or a try that another one follows,
  // says nothing.
  void add(const core::Value& report);

  // passed, failed, error, skipped, xfailed or xpassed by node id.
  [[nodiscard]] const std::map<std::string, std::string>& by_nodeid() const noexcept { return outcomes_; }
  // Tests whose last phase was told.
  [[nodiscard]] std::size_t done() const noexcept { return done_; }

 private:
  std::map<std::string, std::string> outcomes_;
  std::size_t done_ = 0;
};

}  // namespace pf::ctl
