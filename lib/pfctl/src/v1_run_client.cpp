#include <pfctl/v1_run_client.hpp>

#include <algorithm>
#include <utility>

#include <pfcore/detailed_report.hpp>
#include <pfcore/pickle_reader.hpp>

#include "v1_report.hpp"

namespace pf::ctl {
namespace {

constexpr std::int64_t k_usage_error = 4;        // pytest's, for a node id that there is not
// Whom the end of a run is blamed on when no test is to blame. No node id of a suite is like it.
constexpr std::string_view k_session = "pfast::session";

template <typename T>
bool is(const core::Value& root) {
  return core::message_type(root) == T::k_type;
}

}  // namespace

V1RunClient::V1RunClient(V1Answers& answers, const core::v1::RunCommand& command, std::int64_t run, Again again)
    : answers_(answers),
      stream_(command.stream),
      summary_options_{run, command.full_report && !command.stream},
      summary_(summary_options_),
      detailed_(command.detailed),
      again_(std::move(again)) {
  if (command.bench > 0 && !stream_ && again_) bench_.emplace(command.bench);
  if (!stream_ || !command.nodeids) return;
  asked_ = *command.nodeids;
  for (const std::string& nodeid : asked_) ++open_[nodeid];
}

std::string V1RunClient::measure() const {
  if (bench_) return V1Bench::first().measure;
  return detailed_ ? "times" : "";
}

void V1RunClient::send_event(std::string_view payload) {
  auto document = core::decode_pickle(payload, core::Limits::result(), core::Texts::borrowed);
  if (!document) return;   // the daemon wrote it itself
  const core::Value& root = document->root();
  if (is<core::ItemResult>(root)) {
    if (auto result = core::decode_as<core::ItemResult>(root)) on_result(*result, payload.size());
  } else if (is<core::CollectedEvent>(root)) {
    if (auto collected = core::decode_as<core::CollectedEvent>(root)) {
      summary_.add(*collected);
      figures_.add_collected(*collected);
    }
  } else if (is<core::MeasuredEvent>(root)) {
    if (auto measured = core::decode_as<core::MeasuredEvent>(root)) figures_.add_measured(*measured);
  } else if (is<core::OutputEvent>(root)) {
    if (auto output = core::decode_as<core::OutputEvent>(root)) summary_.add(*output);
  } else if (is<core::FinishedEvent>(root)) {
    if (auto finished = core::decode_as<core::FinishedEvent>(root)) on_finished(*finished);
  } else if (is<core::ErrorEvent>(root)) {
    if (auto error = core::decode_as<core::ErrorEvent>(root)) on_error(*error);
  }
}

void V1RunClient::send_progress(std::string_view payload) {
  if (stream_) return;
  auto document = core::decode_pickle(payload, core::Limits::control(), core::Texts::borrowed);
  if (!document) return;
  auto progress = core::decode_as<core::ProgressEvent>(document->root());
  if (progress) answers_.send_droppable_answer(core::v1::encode(core::v1::ProgressAnswer{progress->done, progress->total}));
}

void V1RunClient::on_result(const core::ItemResult& result, std::size_t bytes) {
  if (!measure().empty()) figures_.add_result(result);
  if (result.outcome == "rerun") return;   // another try follows
  if (const auto asked = open_.find(result.nodeid); asked != open_.end() && --asked->second == 0) open_.erase(asked);
  summary_.add(result, bytes);
  if (stream_) send_reports(result);
}

void V1RunClient::send_reports(const core::ItemResult& result) {
  std::vector<std::string> reports;
  V1Reports serialised;
  for (const std::string& opaque : result.opaque) {
    auto report = serialised.next(opaque);
    if (!report) break;
    reports.push_back(std::move(*report));
  }
  // The process that had the reports is gone, or they hold what no plain value is: the result tells what there was.
  if (reports.empty() || reports.size() < result.opaque.size()) {
    reports.clear();
    for (const core::PhaseReport& phase : result.phases) reports.push_back(v1_report(result.nodeid, phase));
  }
  for (const std::string& report : reports) answers_.send_answer(report);
  any_failure_told_ |= std::any_of(result.phases.begin(), result.phases.end(),
                                   [](const core::PhaseReport& phase) { return phase.outcome == "failed" && !phase.wasxfail; });
}

// Whether another run of the bench follows.
bool V1RunClient::goes_on(const core::FinishedEvent& finished) {
  if (bench_->timed()) {
    text_ = summary_.text(finished, {});
    exit_code_ = std::max(exit_code_, finished.exit_code);
  }
  const bool complete = finished.reason.empty() && finished.not_run == 0 && finished.total > 0;
  auto turn = bench_->next(std::exchange(figures_, core::RunFigures()), complete);
  summary_ = V1Summary(summary_options_);
  if (turn) again_(std::move(*turn));
  return turn.has_value();
}

void V1RunClient::on_finished(const core::FinishedEvent& finished) {
  figures_.add_finished(finished);
  if (bench_) {
    if (!goes_on(finished)) answer(exit_code_, text_ + "\n" + bench_->text());
    return;
  }
  std::vector<std::string> unknown;
  for (const std::string& nodeid : asked_) {
    // What was cut off is another matter than what there is not.
    if (open_.contains(nodeid) && finished.not_run == 0) unknown.push_back(nodeid);
  }
  std::int64_t exit_code = finished.exit_code;
  if (!unknown.empty() && exit_code == 0) exit_code = k_usage_error;
  if (!stream_) answers_.send_answer(core::v1::encode(core::v1::ProgressAnswer{summary_.done(), finished.total}));
  // The predecessor's plugin lets a session stay green when no report failed, whatever `rc` says.
  if (stream_ && exit_code != 0 && !any_failure_told_ && unknown.empty()) {
    const std::string why = finished.reason.empty() ? "exit code " + std::to_string(exit_code) : finished.reason;
    send_failure("the run of the daemon ended without success: " + why);
  }
  std::string text = summary_.text(finished, unknown);
  if (detailed_) text += "\n" + core::detailed_text(figures_, {});
  answer(exit_code, std::move(text));
}

void V1RunClient::on_error(const core::ErrorEvent& error) {
  std::string text = V1Summary::text(error);
  if (stream_) send_failure(text);
  answer(error.exit_code != 0 ? error.exit_code : 1, std::move(text));
}

void V1RunClient::send_failure(std::string text) {
  core::PhaseReport phase;
  phase.when = "setup";
  phase.outcome = "failed";
  phase.longrepr = std::move(text);
  answers_.send_answer(v1_report(k_session, phase));
}

void V1RunClient::answer(std::int64_t exit_code, std::string summary) {
  answers_.send_last_answer(core::v1::encode(core::v1::FinishedAnswer{exit_code, std::move(summary)}));
}

}  // namespace pf::ctl
