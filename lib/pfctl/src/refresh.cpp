#include <pfctl/refresh.hpp>

#include <algorithm>
#include <utility>

namespace pf::ctl {

Refresh::Refresh(Loop& loop, GenerationPool& pool, std::int64_t id, core::RefreshRequest request, RunClient& client, std::function<void()> on_done)
    : loop_(loop),
      pool_(pool),
      id_(id),
      client_(client),
      on_done_(std::move(on_done)),
      received_(loop.now()),
      only_stale_(request.only_stale),
      expired_(std::move(request.expired)),
      self_(std::make_shared<Refresh*>(this)) {
  if (only_stale_) return;
  wish_.scope = scope_of(request.request.argv, request.request.cwd);
  wish_.request = std::move(request.request);
}

Refresh::~Refresh() {
  *self_ = nullptr;
  pool_.release(id_);
}

void Refresh::start() {
  started_ = true;
  received_ = loop_.now();
  if (!only_stale_) return pool_.acquire(id_, *this);
  if (!expired_.empty()) pool_.expire(expired_);
  next_later();
}

void Refresh::on_phase(std::string_view name, const std::string& detail) {
  if (name == "boot") booting_why_ = detail;
  core::PhaseEvent event;
  event.name = name;
  event.detail = detail;
  event.elapsed_ms = std::chrono::duration<double, std::milli>(loop_.now() - received_).count();
  client_.send_event(core::encode(event));
}

void Refresh::on_generation(Generation& generation) {
  core::RefreshedGeneration done;
  done.id = generation.id();
  done.items = static_cast<std::int64_t>(generation.items());
  done.booted = !booting_why_.empty();
  done.why = std::exchange(booting_why_, {});
  done.errors = generation.collect_errors();
  done.output = generation.boot_output();
  if (done.booted) done.boot_s = std::chrono::duration<double>(generation.boot_ended() - generation.boot_started()).count();
  const auto& known = refreshed_.generations;
  const bool told = std::any_of(known.begin(), known.end(), [&](const auto& other) { return other.id == done.id; });
  if (!told) refreshed_.generations.push_back(std::move(done));
  next_later();
}

void Refresh::on_no_generation(const core::ErrorEvent& why) {
  booting_why_.clear();
  if (!failure_) failure_ = why;
  next_later();
}

// The pool calls from the middle of its own work.
void Refresh::next_later() {
  loop_.defer([self = self_] {
    if (*self != nullptr) (*self)->next();
  });
}

void Refresh::next() {
  pool_.release(id_);
  if (!std::exchange(looked_around_, true)) {
    for (GenerationWish& wish : only_stale_ ? pool_.outdated_wishes() : pool_.wishes()) left_.push_back(std::move(wish));
  }
  while (!left_.empty()) {
    wish_ = std::move(left_.front());
    left_.pop_front();
    if (wish_.id != 0 && !pool_.takes_runs(wish_.id)) continue;     // somebody's successor is there already
    pool_.acquire(id_, *this);
    return;
  }
  answer();
}

void Refresh::answer() {
  client_.send_event(failure_ ? core::encode(*failure_) : core::encode(refreshed_));
  done_ = true;
  loop_.defer(on_done_);
}

}  // namespace pf::ctl
