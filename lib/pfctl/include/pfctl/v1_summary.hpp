// The text at the end of a version 1 run, in the predecessor's form: its client prints what the daemon sends.
//
// What the predecessor's lines measure in processes of its own is taken from where pfast has it: a worker's run lasts from the
// start of its first item to the end of its last one, the bus carries results and no requests. Pure; not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <pfcore/messages.hpp>

namespace pf::ctl {

struct V1SummaryOptions {
  std::int64_t run = 1;          // the daemon's number of this run
  bool full_report = false;      // a table of phases instead of slow tests
};

class V1Summary {
 public:
  explicit V1Summary(V1SummaryOptions options) : options_(options) {}

  void add(const core::CollectedEvent& event);
  // A final result; `bytes`: what it took on its way.
  void add(const core::ItemResult& result, std::size_t bytes);
  // What plugins printed at the end: stands below the summary.
  void add(const core::OutputEvent& event) { output_ += event.data; }

  [[nodiscard]] std::int64_t done() const noexcept { return static_cast<std::int64_t>(tests_.size()); }
  [[nodiscard]] std::int64_t selected() const noexcept { return selected_; }
  // `unknown`: node ids that were asked for and that the suite does not have.
  [[nodiscard]] std::string text(const core::FinishedEvent& finished, const std::vector<std::string>& unknown) const;
  // Of a run that did not take place.
  [[nodiscard]] static std::string text(const core::ErrorEvent& error);

 private:
  struct Test {
    std::string nodeid;
    std::string outcome;
    double duration_s = 0;
    std::string failure;         // text of the phases that failed
  };
  struct Phase {
    double duration_s;
    std::string when;
    std::string nodeid;
  };
  struct Worker {
    double busy_s = 0;
    double first_start_s = 0;
    double last_end_s = 0;
  };

  void put_head(std::string& out, const core::FinishedEvent& finished) const;
  void put_failures(std::string& out) const;
  void put_expected_passes(std::string& out) const;
  void put_slowest(std::string& out) const;
  void put_phases(std::string& out) const;
  void put_end(std::string& out, const core::FinishedEvent& finished, const std::vector<std::string>& unknown) const;

  V1SummaryOptions options_;
  std::vector<Test> tests_;
  std::vector<Phase> phases_;                         // with full_report
  std::map<std::string, Worker, std::less<>> workers_;
  std::vector<core::PhaseReport> collect_errors_;
  std::string output_;
  std::int64_t selected_ = 0;
  std::int64_t workers_count_ = 0;
  std::size_t result_bytes_ = 0;
  std::size_t lost_ = 0;
};

}  // namespace pf::ctl
