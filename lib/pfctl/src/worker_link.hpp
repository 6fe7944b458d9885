// A run's end of one worker's channel.
#pragma once

#include <cstddef>
#include <string_view>

#include <pfctl/run.hpp>

namespace pf::ctl {

struct Run::WorkerLink final : ChannelHandler {
  WorkerLink(Run& owner, std::size_t slot_number, ChannelOptions options)
      : run(owner), slot(slot_number), channel(owner.context_.loop, *this, options) {}
  void on_frame(Channel&, std::string_view payload) override { run.on_worker_frame(slot, payload); }
  void on_end(Channel&, const core::Error& why) override { run.on_worker_end(slot, why); }
  void on_read(Channel& read) override { run.on_worker_read(read); }

  Run& run;
  std::size_t slot;
  Channel channel;
};

}  // namespace pf::ctl
