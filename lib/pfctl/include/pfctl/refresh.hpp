// `refresh`: warms what a client names, then gives every stale generation its successor, one after the other. To the pool it
// is a user like a run that needs all of its scope and then forks nothing. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <pfcore/daemon_messages.hpp>

#include <pfctl/generation_pool.hpp>
#include <pfctl/run.hpp>

namespace pf::ctl {

class Refresh final : private GenerationUser {
 public:
  // `id`: unlike every run's. `on_done` is called from the loop, once, after the answer.
  Refresh(Loop& loop, GenerationPool& pool, std::int64_t id, core::RefreshRequest request, RunClient& client, std::function<void()> on_done);
  Refresh(const Refresh&) = delete;
  Refresh& operator=(const Refresh&) = delete;
  ~Refresh() override;

  void start();
  [[nodiscard]] bool started() const noexcept { return started_; }
  // A watcher's: of what is warm, what is stale.
  [[nodiscard]] bool only_stale() const noexcept { return only_stale_; }
  [[nodiscard]] bool done() const noexcept { return done_; }

 private:
  [[nodiscard]] const core::RunRequest& request() const override { return wish_.request; }
  [[nodiscard]] TimePoint received() const override { return received_; }
  [[nodiscard]] std::optional<BootScope> needed_scope() const override { return wish_.scope; }
  void on_phase(std::string_view name, const std::string& detail) override;
  void on_generation(Generation& generation) override;
  void on_no_generation(const core::ErrorEvent& why) override;
  void on_forked(const core::Forked&) override {}
  void on_child_exited(std::int64_t, int) override {}
  void on_generation_gone() override {}

  void next_later();
  void next();
  void answer();

  Loop& loop_;
  GenerationPool& pool_;
  std::int64_t id_;
  RunClient& client_;
  std::function<void()> on_done_;
  TimePoint received_;
  GenerationWish wish_;                     // what is being warmed
  std::deque<GenerationWish> left_;
  bool looked_around_ = false;              // left_ has the stale generations
  std::string booting_why_;
  core::Refreshed refreshed_;
  std::optional<core::ErrorEvent> failure_;
  bool only_stale_ = false;
  std::string expired_;
  bool started_ = false;
  bool done_ = false;
  std::shared_ptr<Refresh*> self_;
};

}  // namespace pf::ctl
