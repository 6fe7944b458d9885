// One question to a daemon that is there already: status, list and stop.
#pragma once

#include <chrono>
#include <optional>

#include <pfctl/client.hpp>

namespace pf::cli {

inline constexpr std::chrono::milliseconds k_patience{5000};

// Connects without starting a daemon. Errors: not_found (none answers), and connect_to_daemon's others.
[[nodiscard]] inline core::Result<ctl::ClientConnection> connect_to_existing(const ctl::Address& address,
                                                                             std::chrono::milliseconds patience = k_patience) {
  ctl::ConnectOptions options;
  options.may_start = false;
  options.replace_other_version = false;
  options.greet_timeout = patience;
  return ctl::connect_to_daemon(address, options);
}

// Sends `question` and waits for an answer of type Answer, passing over other events. Errors: refused (the daemon's own
// words), timed_out, and next_event's.
template <typename Answer, typename Question>
[[nodiscard]] core::Result<Answer> ask(ctl::ClientConnection& connection, const Question& question,
                                       std::optional<std::chrono::milliseconds> timeout) {
  if (auto sent = connection.send(question); !sent) return std::move(sent).error();
  for (;;) {
    auto event = connection.next_event(timeout);
    if (!event) return std::move(event).error();
    if (!event->has_value()) return core::Error{core::ErrorCode::timed_out, "get the daemon's answer: it says nothing", 0, 0};
    const core::Value& root = (*event)->root();
    if (core::message_type(root) == Answer::k_type) return core::decode_as<Answer>(root);
    if (core::message_type(root) != core::ErrorEvent::k_type) continue;
    auto error = core::decode_as<core::ErrorEvent>(root);
    if (!error) return std::move(error).error();
    return core::Error{core::ErrorCode::refused, std::move(error->message), 0, 0};
  }
}

}  // namespace pf::cli
