// What a run tells its client.
#include <algorithm>
#include <utility>

#include <pfctl/run_state.hpp>

namespace pf::ctl {
namespace {

constexpr std::size_t k_named_not_run = 20;
constexpr std::size_t k_testcases_bytes = 32u << 10;   // are sent together

std::int64_t count_collect_errors(const core::Selected& selected) {
  return std::count_if(selected.collect_reports.begin(), selected.collect_reports.end(),
                       [](const core::PhaseReport& report) { return report.outcome == "failed"; });
}

}  // namespace

void RunState::send_collected(const std::optional<core::RunBoard>& board) {
  if (setup_.options.verbose_plan) effects_.to_client(core::encode(core::PlanEvent{selected_.way, selected_.why}));
  core::CollectedEvent event;
  event.selected = static_cast<std::int64_t>(selected_.nodeids.size());
  event.deselected = selected_.deselected;
  event.errors = count_collect_errors(selected_);
  event.workers = board ? static_cast<std::int64_t>(board->workers()) : 0;
  event.collect_reports = selected_.collect_reports;
  event.text = selected_.text;
  effects_.to_client(core::encode(event));
}

void RunState::on_controller_warning(const core::WarningReport& warning) {
  if (answered_) return;
  if (setup_.options.full_report || warning.opaque.empty()) {
    effects_.to_client(core::encode(warning));
    return;
  }
  core::WarningReport plain = warning;
  plain.opaque.clear();
  effects_.to_client(core::encode(plain));
}

void RunState::deliver(core::ItemResult result, std::string worker) {
  if (answered_) return;
  if (result.item >= selected_.nodeids.size()) {
    if (fault_.empty()) fault_ = "a worker reported an item that is not part of the run";
    return;
  }
  result.nodeid = selected_.nodeids[result.item];
  result.worker = std::move(worker);
  if (result.outcome.empty()) result.outcome = core::item_outcome(result.phases);
  const bool is_flaky = result.outcome == "passed" && result.attempt > 1;
  if (is_flaky && setup_.options.flaky_fails) {
    result.outcome = "failed";
    ++failed_reports_;
  }
  // A try that is going to be repeated is told, but it is no result.
  const bool is_final = result.outcome != "rerun";
  if (is_final && tally_.record(result.item, result.outcome) != core::Accepted::first) {
    if (fault_.empty()) fault_ = "'" + result.nodeid + "' was reported twice";
    return;
  }
  const bool has_report = is_final || !result.opaque.empty();
  if (forwards_reports() && has_report && stage_ == Stage::running && !controller_gone_) tell_controller(result);
  result.testcase.clear();
  if (!setup_.options.full_report) result.opaque.clear();
  effects_.result_to_client(core::encode(result));
}

// Takes out of the result what the client does not get.
void RunState::tell_controller(core::ItemResult& result) {
  if (!result.testcase.empty()) {
    testcases_bytes_ += result.testcase.size();
    testcases_.items.push_back(result.item);
    testcases_.texts.push_back(std::move(result.testcase));
    if (testcases_bytes_ >= k_testcases_bytes) send_testcases();
    return;
  }
  core::ReportForward forward;
  forward.item = result.item;
  forward.worker = result.worker;
  forward.opaque = setup_.options.full_report ? result.opaque : std::move(result.opaque);
  forward.lost = result.lost;
  effects_.to_controller(core::encode(forward));
}

void RunState::send_testcases() {
  if (testcases_.items.empty()) return;
  effects_.to_controller(core::encode(std::exchange(testcases_, {})));
  testcases_bytes_ = 0;
}

void RunState::send_measured() {
  if (setup_.options.measure.empty() || stage_ == Stage::session_over) return;
  core::MeasuredEvent event = account_.event(std::max<std::size_t>(slots_.size(), 1), run_since_);
  event.processors = static_cast<std::int64_t>(setup_.processors);
  event.groups = selected_.groups;
  effects_.to_client(core::encode(event));
}

void RunState::send_finished(int code, TimePoint now) {
  if (answered_) return;
  answered_ = true;
  send_measured();
  if (!plugin_output_.empty()) effects_.to_client(core::encode(core::OutputEvent{1, plugin_output_}));
  const auto ms_since = [now](TimePoint from) { return std::chrono::duration<double, std::milli>(now - from).count(); };
  core::FinishedEvent event;
  event.exit_code = code;
  event.reason = stop_reason_;
  event.reason_at = interrupted_at_;
  const std::int64_t errors = count_collect_errors(selected_);
  if (event.reason.empty() && stage_ == Stage::session_over && errors > 0) {
    event.reason = "Interrupted: " + std::to_string(errors) + (errors == 1 ? " error" : " errors") + " during collection";
  }
  if (event.reason.empty() && cancel_ == Cancel::none) event.reason = fault_;
  event.text_shown = selected_.text_shown && controller_said_end_;
  event.total = static_cast<std::int64_t>(tally_.total());
  if (stage_ != Stage::session_over) {
    const std::vector<std::uint32_t> missing = tally_.missing();
    event.not_run = static_cast<std::int64_t>(missing.size());
    for (std::size_t i = 0; i < std::min(missing.size(), k_named_not_run); ++i) {
      event.not_run_nodeids.push_back(selected_.nodeids[missing[i]]);
    }
  }
  event.duration_s = session_s_ > 0 ? session_s_ : ms_since(forked_at_) / 1000;
  event.wait_ms = setup_.wait_ms;
  event.boot_ms = setup_.boot_ms;
  event.select_ms = select_ms_;
  event.run_ms = ms_since(run_since_);
  effects_.to_client(core::encode(event));
}

void RunState::refuse(std::string_view code, std::string message, std::string hint, std::int64_t exit_code) {
  if (answered_) return;
  answered_ = true;
  core::ErrorEvent event;
  event.code = code;
  event.message = std::move(message);
  event.hint = std::move(hint);
  event.exit_code = exit_code;
  effects_.to_client(core::encode(event));
}

void RunState::send_progress(TimePoint now) {
  if (stage_ != Stage::running || now - progress_at_ < setup_.times.progress) return;
  progress_at_ = now;
  core::ProgressEvent event;
  event.done = static_cast<std::int64_t>(tally_.done());
  event.total = static_cast<std::int64_t>(tally_.total());
  event.failed = static_cast<std::int64_t>(tally_.failed());
  for (core::WorkerStatus& worker : status(now).workers) {
    if (!worker.nodeid.empty()) event.running.emplace_back(std::move(worker.name), std::move(worker.nodeid));
  }
  std::string payload = core::encode(event);
  if (payload == last_progress_) return;
  effects_.progress_to_client(payload);
  last_progress_ = std::move(payload);
}

}  // namespace pf::ctl
