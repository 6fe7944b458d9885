// A run's client of version 1: turns the events of a run into the predecessor's answers. PROTOCOL.md, section 7. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <pfcore/messages.hpp>
#include <pfcore/messages_v1.hpp>
#include <pfcore/run_figures.hpp>

#include <pfctl/run.hpp>
#include <pfctl/v1_bench.hpp>
#include <pfctl/v1_summary.hpp>

namespace pf::ctl {

// Where the answers go: a connection.
class V1Answers {
 public:
  virtual ~V1Answers() = default;
  virtual void send_answer(std::string_view payload) = 0;
  virtual void send_droppable_answer(std::string_view payload) = 0;
  // Nothing follows it: the connection is closed when it was sent.
  virtual void send_last_answer(std::string_view payload) = 0;
  [[nodiscard]] virtual std::size_t queued_answer_bytes() const = 0;
};

class V1RunClient final : public RunClient {
 public:
  // Starts another run for this client, once the one at hand has left the stack.
  using Again = std::function<void(V1Bench::Turn turn)>;

  // `run`: its number, for the summary. `again`: for a command with `bench`. `answers` must outlive this object.
  V1RunClient(V1Answers& answers, const core::v1::RunCommand& command, std::int64_t run, Again again = {});

  // What the first run is to measure: RunOptions.measure.
  [[nodiscard]] std::string measure() const;

  void send_event(std::string_view payload) override;
  void send_progress(std::string_view payload) override;
  [[nodiscard]] std::size_t queued_bytes() const override { return answers_.queued_answer_bytes(); }

 private:
  void on_result(const core::ItemResult& result, std::size_t bytes);
  void on_finished(const core::FinishedEvent& finished);
  [[nodiscard]] bool goes_on(const core::FinishedEvent& finished);
  void on_error(const core::ErrorEvent& error);
  void send_reports(const core::ItemResult& result);
  void send_failure(std::string text);
  void answer(std::int64_t exit_code, std::string summary);

  V1Answers& answers_;
  bool stream_;
  V1SummaryOptions summary_options_;
  V1Summary summary_;
  bool detailed_;
  core::RunFigures figures_;
  std::optional<V1Bench> bench_;
  Again again_;
  std::string text_;                                     // of the last run that a bench has timed
  std::int64_t exit_code_ = 0;                           // of the runs of a bench that have ended
  std::vector<std::string> asked_;                       // node ids, in their order
  std::unordered_map<std::string, std::size_t> open_;    // of those: how many results are missing
  bool any_failure_told_ = false;                        // by a streamed report
};

}  // namespace pf::ctl
