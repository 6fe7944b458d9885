// The daemon's end of checkpoints: which ones a generation has, and which one its successor goes on from.
//
// A checkpoint lives as long as somebody holds it here: a successor shares those that it goes on from with the generation before
// it. Its process is a child of the daemon, reaped like any stray. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <pfcore/checkpoint_messages.hpp>
#include <pfcore/ladder.hpp>
#include <pfcore/result.hpp>
#include <pfcore/unique_fd.hpp>

#include <pfctl/boot_scope.hpp>
#include <pfctl/channel.hpp>
#include <pfctl/loop.hpp>

namespace pf::ctl {

class Checkpoint final : private ChannelHandler {
 public:
  // Errors: system. `scope`: what the process that it is a copy of was about to collect, all in all.
  [[nodiscard]] static core::Result<std::shared_ptr<Checkpoint>> open(Loop& loop, core::CheckpointMade made, BootScope scope,
                                                                     core::UniqueFd channel);
  [[nodiscard]] std::int64_t pid() const noexcept { return made_.pid; }
  [[nodiscard]] const std::string& before() const noexcept { return made_.before; }
  [[nodiscard]] core::Rung rung() const noexcept { return {made_.mark, made_.work_s, made_.hot}; }
  [[nodiscard]] const BootScope& scope() const noexcept { return scope_; }
  // Its process has not ended so far.
  [[nodiscard]] bool alive() const noexcept { return channel_.is_open(); }
  // Asks it for a forkserver with this channel, on which a BootRequest waits, and this pipe as stdout and stderr.
  void resume(core::UniqueFd channel, core::UniqueFd output);

 private:
  Checkpoint(Loop& loop, core::CheckpointMade made, BootScope scope);
  void on_frame(Channel&, std::string_view) override {}
  void on_end(Channel&, const core::Error&) override {}

  core::CheckpointMade made_;
  BootScope scope_;
  Channel channel_;
};

class Ladder {
 public:
  // The one behind all others. Drops another when there are more than `most`.
  void add(std::shared_ptr<Checkpoint> checkpoint, std::size_t most);
  void clear() noexcept { rungs_.clear(); }
  [[nodiscard]] bool empty() const noexcept { return rungs_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return rungs_.size(); }
  [[nodiscard]] bool holds(std::int64_t pid) const noexcept;
  // The last one that had needed none of the changed inputs and leads to all of `wanted`; with those before it. Empty: none does.
  [[nodiscard]] Ladder up_to(const core::U32List& input_marks, std::optional<std::size_t> first_changed, const BootScope& wanted) const;
  [[nodiscard]] Checkpoint* top() const noexcept { return rungs_.empty() ? nullptr : rungs_.back().get(); }
  [[nodiscard]] std::vector<core::CheckpointStatus> status() const;

 private:
  std::vector<std::shared_ptr<Checkpoint>> rungs_;   // in the order of collection
};

}  // namespace pf::ctl
