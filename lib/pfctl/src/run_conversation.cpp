#include <pfctl/run_conversation.hpp>

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include <pfctl/terminal_info.hpp>

namespace pf::ctl {
namespace {

using std::chrono::milliseconds;

// The daemon kills a run within a second; three tell that it does not answer.
constexpr milliseconds k_kill_patience{3000};
constexpr milliseconds k_stop_patience{500};

template <typename T>
bool take_as(const core::Value& root, T& out) {
  if (core::message_type(root) != T::k_type) return false;
  auto message = core::decode_as<T>(root);
  if (!message) return false;
  out = std::move(*message);
  return true;
}

}  // namespace

RunEnd RunConversation::run(const core::RunRequest& request, const std::array<int, 3>& streams) {
  request_ = &request;
  streams_ = streams;
  connection_.read_ahead();
  if (auto sent = connection_.send_run(request, streams); !sent) {
    end_.why = std::move(sent).error();
    end_as(RunEnd::How::lost);
  }
  follow();
  return std::move(end_);
}

void RunConversation::end_as(RunEnd::How how) {
  end_.how = how;
  over_ = true;
}

// Signals, the clock and what the observer has to write are for between the events that came at once: those are few milliseconds' work.
void RunConversation::follow() {
  while (!over_) {
    if (!connection_.has_buffered_event()) {
      if (deadline_ && Clock::now() >= *deadline_) return end_as(RunEnd::How::silent);
      observer_.on_tick();
      auto signalled = wait();
      if (!signalled) {
        end_.why = std::move(signalled).error();
        return end_as(RunEnd::How::lost);
      }
      while (const int number = *signalled ? signals_.take() : 0) on_signal(number);
      if (over_) return;
    }
    // No waiting here: half a frame must not make us deaf to signals.
    auto event = connection_.next_event(milliseconds(0));
    if (!event) {
      end_.why = std::move(event).error();
      return end_as(RunEnd::How::lost);
    }
    if (event->has_value()) on_event(**event);
  }
}

// True when a signal has come.
core::Result<bool> RunConversation::wait() {
  constexpr milliseconds k_for_ever{1 << 30};
  milliseconds patience = observer_.next_tick().value_or(k_for_ever);
  if (deadline_) patience = std::min(patience, std::chrono::ceil<milliseconds>(*deadline_ - Clock::now()));
  struct pollfd set[] = {{connection_.fd(), POLLIN, 0}, {signals_.fd(), POLLIN, 0}};
  const int timeout = static_cast<int>(std::max<milliseconds::rep>(patience.count(), 0));
  const int ready = ::poll(set, 2, timeout);
  if (ready < 0 && errno != EINTR) return core::Error::from_errno("poll", errno);
  return ready > 0 && set[1].revents != 0;
}

void RunConversation::on_event(const core::Document& event) {
  const core::Value& root = event.root();
  observer_.on_event(root);
  core::CollectedEvent collected;
  core::PhaseEvent phase;
  if (take_as(root, phase)) end_.begun = end_.begun || phase.name == "select" || phase.name == "run";
  else if (take_as(root, collected)) in_terminal_ = collected.workers == 0;
  else if (take_as(root, end_.finished)) end_as(RunEnd::How::finished);
  else if (take_as(root, end_.error)) end_as(RunEnd::How::refused);
}

// ---------------------------------------------------------------- signals

void RunConversation::on_signal(int number) {
  if (number == SIGWINCH) return resize();
  if (number == SIGTSTP) return stop_with_the_run();
  // A session on this terminal takes every Ctrl-C as pytest does: a debugger's prompt goes on after it.
  if (number == SIGINT && in_terminal_) return cancel("interrupt");
  if (number == SIGINT) return cancel(++interrupts_ == 1 ? "interrupt" : "kill");
  end_.ended_by = number;
  cancel("kill");
}

void RunConversation::cancel(const char* how) {
  core::CancelRequest request;
  request.how = how;
  if (request.how == "kill" && !deadline_) deadline_ = Clock::now() + k_kill_patience;
  (void)connection_.send(request);   // a lost daemon shows when it is read from
}

void RunConversation::resize() {
  const core::TerminalInfo terminal = look_at_terminal(request_->env, streams_[0], streams_[1], streams_[2]);
  observer_.on_resize(terminal);
  core::ResizeRequest request;
  request.columns = terminal.columns;
  request.rows = terminal.rows;
  (void)connection_.send(request);
}

// Ctrl-Z. The shell writes next: the run stops first, and this process when the daemon has said so.
void RunConversation::stop_with_the_run() {
  cancel("suspend");
  const Clock::time_point patience = Clock::now() + k_stop_patience;
  for (bool stopped = false; !stopped && !over_;) {
    const auto left = std::chrono::ceil<milliseconds>(patience - Clock::now());
    auto event = connection_.next_event(std::max(left, milliseconds(0)));
    if (!event || !event->has_value()) break;   // a lost daemon shows when it is read from next
    core::PhaseEvent phase;
    stopped = take_as((*event)->root(), phase) && phase.name == "suspended";
    if (!stopped) on_event(**event);
  }
  if (over_) return;
  observer_.before_stop();
  ::kill(::getpid(), SIGSTOP);
  cancel("resume");
  resize();
}

}  // namespace pf::ctl
