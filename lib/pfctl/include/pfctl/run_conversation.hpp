// One run seen from its client: the request, the events, the signals that are passed on, and how it ended. Neither prints nor
// ends the process: that is the caller's. Blocking, one thread.
#pragma once

#include <array>
#include <chrono>
#include <optional>

#include <pfcore/messages.hpp>
#include <pfcore/result.hpp>
#include <pfctl/client.hpp>
#include <pfctl/signal_channel.hpp>

namespace pf::ctl {

// What a client does besides passing signals on. Called from run().
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  // Every event, the last one included.
  virtual void on_event(const core::Value& root) = 0;
  virtual std::optional<std::chrono::milliseconds> next_tick() { return std::nullopt; }   // when on_tick() is due at the latest
  virtual void on_tick() {}
  virtual void on_resize(const core::TerminalInfo& /*terminal*/) {}
  virtual void before_stop() {}                                     // Ctrl-Z: the shell writes next
};

struct RunEnd {
  enum class How : std::uint8_t {
    finished,       // `finished` has the exit code
    refused,        // the daemon's `error`: the request was not carried out
    lost,           // the daemon: `why`
    silent,         // it did not answer the interrupt in time
  };
  How how = How::lost;
  core::FinishedEvent finished;
  core::ErrorEvent error;
  core::Error why;
  int ended_by = 0;      // SIGTERM or SIGHUP came and was passed on
  bool begun = false;    // the session was forked: it may have printed
};

class RunConversation {
 public:
  // All of them are borrowed for the object's life.
  RunConversation(ClientConnection& connection, SignalChannel& signals, RunObserver& observer)
      : connection_(connection), signals_(signals), observer_(observer) {}

  // Sends the request and follows the run to its end. The descriptors are stdin, stdout and stderr of the run; they stay the caller's.
  [[nodiscard]] RunEnd run(const core::RunRequest& request, const std::array<int, 3>& streams);

 private:
  using Clock = std::chrono::steady_clock;

  void follow();
  [[nodiscard]] core::Result<bool> wait();
  void on_event(const core::Document& event);
  void on_signal(int number);
  void cancel(const char* how);
  void resize();
  void stop_with_the_run();
  void end_as(RunEnd::How how);

  ClientConnection& connection_;
  SignalChannel& signals_;
  RunObserver& observer_;
  const core::RunRequest* request_ = nullptr;
  std::array<int, 3> streams_{0, 1, 2};
  RunEnd end_;
  bool over_ = false;
  bool in_terminal_ = false;                  // -n 0, --pdb: no worker, the session itself has our streams
  int interrupts_ = 0;
  std::optional<Clock::time_point> deadline_; // after "kill": the daemon's answer is not waited for any longer
};

}  // namespace pf::ctl
