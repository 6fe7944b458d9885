#include "warm_up.hpp"

#include <utility>

#include "exit_codes.hpp"
#include "run_request.hpp"
#include "say.hpp"

namespace pf::cli {

WarmUp warm_up(ctl::ClientConnection& connection, const Context& context, std::vector<std::string> arguments) {
  const auto lost = [](const core::Error& why) {
    return WarmUp{{}, refuse(k_exit_daemon_lost, "the daemon was lost while it collected (failed to " + why.message + ")",
                             "`pfast logs` shows its last words")};
  };
  core::RefreshRequest request;
  request.request = make_request(context, std::move(arguments), {});
  if (auto sent = connection.send(request); !sent) return lost(sent.error());
  for (;;) {
    auto event = connection.next_event();
    if (!event) return lost(event.error());
    const core::Value& root = (*event)->root();
    const std::string_view type = core::message_type(root);
    if (type == core::Refreshed::k_type) {
      auto refreshed = core::decode_as<core::Refreshed>(root);
      if (!refreshed) return lost(refreshed.error());
      return {std::move(*refreshed), 0};
    }
    if (type == core::ErrorEvent::k_type) {
      const auto error = core::decode_as<core::ErrorEvent>(root);
      return error ? WarmUp{{}, refuse(*error)} : lost(error.error());
    }
  }
}

}  // namespace pf::cli
