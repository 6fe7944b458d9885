#include <pfctl/loop.hpp>

#include <uv.h>

#include <cassert>
#include <string>
#include <utility>
#include <vector>

namespace pf::ctl {

struct Loop::Impl {
  uv_loop_t uv{};
  uv_prepare_t prepare{};
  uv_check_t check{};
  std::vector<std::function<void()>> deferred;

  void run_deferred() {
    while (!deferred.empty()) {
      auto tasks = std::exchange(deferred, {});
      for (auto& task : tasks) task();
    }
  }
};

namespace {

uv_handle_t* as_handle(void* handle) { return static_cast<uv_handle_t*>(handle); }

core::Error uv_error(const char* what, int code) { return core::Error::from_errno(what, -code); }

// The callback is moved out for the call: it may destroy the object that holds it.
template <typename Function, typename... Args>
void call(Function& function, Args... args) {
  if (!function) return;
  auto copy = function;
  copy(args...);
}

struct Work {
  uv_work_t request{};
  std::function<void()> work;
  std::function<void()> done;
};

}  // namespace

Loop::Loop(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}

core::Result<std::unique_ptr<Loop>> Loop::create() {
  auto impl = std::make_unique<Impl>();
  if (const int code = uv_loop_init(&impl->uv); code != 0) return uv_error("start the event loop", code);
  Impl* self = impl.get();
  uv_prepare_init(&self->uv, &self->prepare);
  uv_check_init(&self->uv, &self->check);
  self->prepare.data = self;
  self->check.data = self;
  uv_prepare_start(&self->prepare, [](uv_prepare_t* handle) { static_cast<Impl*>(handle->data)->run_deferred(); });
  uv_check_start(&self->check, [](uv_check_t* handle) { static_cast<Impl*>(handle->data)->run_deferred(); });
  uv_unref(as_handle(&self->prepare));
  uv_unref(as_handle(&self->check));
  return std::unique_ptr<Loop>(new Loop(std::move(impl)));
}

Loop::~Loop() {
  impl_->run_deferred();
  uv_close(as_handle(&impl_->prepare), nullptr);
  uv_close(as_handle(&impl_->check), nullptr);
  uv_run(&impl_->uv, UV_RUN_DEFAULT);   // close callbacks, and work that is still on its thread
  [[maybe_unused]] const int code = uv_loop_close(&impl_->uv);
  assert(code == 0 && "a handle outlived its loop");
}

void Loop::run() { uv_run(&impl_->uv, UV_RUN_DEFAULT); }
void Loop::stop() noexcept { uv_stop(&impl_->uv); }
void Loop::run_deferred() { impl_->run_deferred(); }
void Loop::defer(std::function<void()> task) { impl_->deferred.push_back(std::move(task)); }

void Loop::queue_work(std::function<void()> work, std::function<void()> done) {
  auto* job = new Work{{}, std::move(work), std::move(done)};   // freed by the callback that libuv always makes
  job->request.data = job;
  uv_queue_work(
      &impl_->uv, &job->request, [](uv_work_t* request) { static_cast<Work*>(request->data)->work(); },
      [](uv_work_t* request, int status) {
        std::unique_ptr<Work> owner(static_cast<Work*>(request->data));
        if (status == 0) owner->done();
      });
}

// libuv closes in the next turn, so a handle's memory outlives its owner: it is freed by the close callback.

struct Timer::Handle {
  uv_timer_t uv{};
  std::function<void()> on_fire;
};

Timer::Timer(Loop& loop, std::function<void()> on_fire) : handle_(new Handle{{}, std::move(on_fire)}) {
  uv_timer_init(&loop.impl().uv, &handle_->uv);
  handle_->uv.data = handle_;
}

Timer::~Timer() {
  handle_->on_fire = nullptr;
  uv_close(as_handle(&handle_->uv), [](uv_handle_t* handle) { delete static_cast<Handle*>(handle->data); });
}

void Timer::start(Milliseconds delay, Milliseconds repeat) {
  uv_update_time(handle_->uv.loop);
  uv_timer_start(
      &handle_->uv, [](uv_timer_t* timer) { call(static_cast<Handle*>(timer->data)->on_fire); },
      static_cast<std::uint64_t>(delay.count()), static_cast<std::uint64_t>(repeat.count()));
}

void Timer::stop() noexcept { uv_timer_stop(&handle_->uv); }
bool Timer::active() const noexcept { return uv_is_active(reinterpret_cast<const uv_handle_t*>(&handle_->uv)) != 0; }

struct FdWatch::Handle {
  uv_poll_t uv{};
  int events = 0;                  // what is watched for: asking again costs calls of the kernel
  std::function<void(Ready)> on_ready;
};

core::Status FdWatch::open(int fd, std::function<void(Ready)> on_ready) {
  stop();
  auto handle = std::make_unique<Handle>();
  if (const int code = uv_poll_init(&loop_.impl().uv, &handle->uv, fd); code != 0) return uv_error("watch a descriptor", code);
  handle->uv.data = handle.get();
  handle->on_ready = std::move(on_ready);
  handle_ = handle.release();
  return core::ok_status();
}

void FdWatch::want(bool readable, bool writable) noexcept {
  if (handle_ == nullptr) return;
  const int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
  if (std::exchange(handle_->events, events) == events) return;
  if (events == 0) {
    uv_poll_stop(&handle_->uv);
    return;
  }
  uv_poll_start(&handle_->uv, events, [](uv_poll_t* poll, int status, int ready) {
    auto* const handle = static_cast<Handle*>(poll->data);
    if (status < 0) handle->events = 0;   // libuv has stopped it
    call(handle->on_ready,
         Ready{(ready & UV_READABLE) != 0, (ready & UV_WRITABLE) != 0, status < 0});
  });
}

void FdWatch::stop() noexcept {
  if (handle_ == nullptr) return;
  handle_->on_ready = nullptr;
  uv_close(as_handle(&handle_->uv), [](uv_handle_t* handle) { delete static_cast<Handle*>(handle->data); });
  handle_ = nullptr;
}

struct SignalWatch::Handle {
  uv_signal_t uv{};
  std::function<void()> on_signal;
};

SignalWatch::SignalWatch(Loop& loop, int signal_number, std::function<void()> on_signal)
    : handle_(new Handle{{}, std::move(on_signal)}) {
  uv_signal_init(&loop.impl().uv, &handle_->uv);
  handle_->uv.data = handle_;
  uv_signal_start(
      &handle_->uv, [](uv_signal_t* signal, int) { call(static_cast<Handle*>(signal->data)->on_signal); }, signal_number);
}

SignalWatch::~SignalWatch() {
  handle_->on_signal = nullptr;
  uv_close(as_handle(&handle_->uv), [](uv_handle_t* handle) { delete static_cast<Handle*>(handle->data); });
}

}  // namespace pf::ctl
