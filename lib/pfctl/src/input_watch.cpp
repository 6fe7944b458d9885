#include <pfctl/input_watch.hpp>

#include <algorithm>
#include <utility>

#include <pfctl/input_memory.hpp>

namespace pf::ctl {
namespace {

// An editor's save is several events; a checkout is thousands. So long they are left to come before somebody looks.
constexpr Milliseconds k_gather{20};
// A watch that was lost comes back with the next look.
constexpr Milliseconds k_again{100};

}  // namespace

InputWatch::InputWatch(Loop& loop, std::shared_ptr<const InputSet> inputs, std::shared_ptr<InputMemory> memory, Milliseconds poll,
                       Handler on_look)
    : loop_(loop),
      inputs_(std::move(inputs)),
      memory_(std::move(memory)),
      poll_(std::max(poll, Milliseconds(1))),
      on_look_(std::move(on_look)),
      news_(loop),
      timer_(loop, [this] { on_time(); }),
      self_(std::make_shared<InputWatch*>(this)) {}

InputWatch::~InputWatch() { *self_ = nullptr; }

void InputWatch::on_readable() {
  news_.want(false, false);                // what it has to tell is read when all of it has come
  timer_.start(k_gather);
}

void InputWatch::on_time() {
  if (!descriptor_.valid()) return look(false);      // by the clock: the fingerprint tells
  const std::optional<bool> news = inputs_->take_news();
  if (!news) timer_.start(k_gather);       // somebody is checking just now
  else if (*news) look(true);
  else news_.want(true, false);
}

void InputWatch::look(bool touched) {
  touched_ = touched;
  struct Job {
    InputLook look;
    std::vector<std::string> missed;
    std::string problem;
    core::UniqueFd descriptor;
  };
  auto job = std::make_shared<Job>();
  loop_.queue_work(
      [inputs = inputs_, memory = memory_, first = !looked_, job] {
        if (first && memory) job->missed = inputs->meet(*memory, k_changes_named);
        job->look = inputs->look(k_changes_named, memory.get());
        if (auto copy = inputs->news_descriptor()) job->descriptor = std::move(*copy);
        else job->problem = copy.error().message;
        if (!job->descriptor.valid() && job->problem.empty()) job->problem = inputs->watch_problem();
      },
      [self = self_, job] {
        if (*self != nullptr) (*self)->on_looked(job->look, job->missed, std::move(job->problem), std::move(job->descriptor));
      });
}

void InputWatch::on_looked(const InputLook& look, const std::vector<std::string>& missed, std::string problem, core::UniqueFd descriptor) {
  problem_ = std::move(problem);
  const bool touched = touched_ || (looked_ && look.fingerprint != fingerprint_);
  fingerprint_ = look.fingerprint;
  looked_ = true;
  wait_for_news(std::move(descriptor));
  on_look_(look, touched, missed);                 // may destroy this object
}

// A new copy after every look: the watch may be another one. What happened since the look is in its queue.
void InputWatch::wait_for_news(core::UniqueFd descriptor) {
  news_.stop();
  descriptor_ = std::move(descriptor);
  if (descriptor_.valid() && news_.open(descriptor_.get(), [this](FdWatch::Ready) { on_readable(); })) {
    news_.want(true, false);
    return;
  }
  descriptor_.reset();
  timer_.start(problem_.empty() ? k_again : poll_);
}

}  // namespace pf::ctl
