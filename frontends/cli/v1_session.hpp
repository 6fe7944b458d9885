// One run on a daemon of version 1, seen from the client: the conversation, progress, signals, and the exit code.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <pfcore/messages.hpp>
#include <pfcore/messages_v1.hpp>
#include <pfctl/signal_channel.hpp>
#include <pfctl/v1_client.hpp>
#include <pfctl/v1_outcomes.hpp>

#include "json_output.hpp"
#include "terminal.hpp"

namespace pf::cli {

struct V1SessionSetup {
  core::v1::RunCommand command;
  core::TerminalInfo terminal;
  int out = 1;                     // where text goes
};

class V1Session {
 public:
  V1Session(ctl::V1Connection& connection, ctl::SignalChannel& signals, V1SessionSetup setup);

  // Follows the run to its end. nullopt: the daemon is stale, and leaves.
  [[nodiscard]] std::optional<int> run();
  [[nodiscard]] const Outcomes& outcomes() const noexcept { return outcomes_.by_nodeid(); }

 private:
  enum class Step { on, stale, over };

  [[nodiscard]] core::Status wait();
  Step on_answer(const ctl::V1Message& message);
  Step on_signal(int number);
  Step on_finished(const core::v1::FinishedAnswer& finished);
  Step lost(const core::Error& why);
  void show(std::int64_t done, std::int64_t total);
  [[nodiscard]] std::string unknown_nodeids() const;

  ctl::V1Connection& connection_;
  ctl::SignalChannel& signals_;
  V1SessionSetup setup_;
  LiveLine line_;
  ctl::V1Outcomes outcomes_;
  std::int64_t done_ = 0;
  bool heard_ = false;             // of the daemon, at all
  bool told_ = false;              // the user, that it is silent
  int exit_code_ = 0;
};

}  // namespace pf::cli
