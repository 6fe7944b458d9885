#include "watch_staging.hpp"

#include <chrono>
#include <optional>
#include <utility>
#include <variant>

#include <pfcore/daemon_messages.hpp>
#include <pfcore/messages_v1.hpp>
#include <pfctl/client.hpp>
#include <pfctl/connect.hpp>

#include "text.hpp"
#include "timed_send.hpp"

namespace pf::ctl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds k_patience{5000};
constexpr milliseconds k_promotion{60000};       // the predecessor's run ends first

// True when everything was collected without an error.
core::Result<Staged> collect(ClientConnection& connection, const core::RunRequest& warm) {
  core::RefreshRequest request;
  request.request = warm;
  if (auto sent = connection.send(request); !sent) return std::move(sent).error();
  Staged staged;
  for (;;) {
    auto event = connection.next_event();
    if (!event) return std::move(event).error();
    const core::Value& root = (*event)->root();
    if (core::message_type(root) == core::ErrorEvent::k_type) {
      auto error = core::decode_as<core::ErrorEvent>(root);
      if (!error) return std::move(error).error();
      staged.why = error->message.empty() ? error->code : error->message;
      staged.output = std::move(error->output);
      return staged;
    }
    if (core::message_type(root) != core::Refreshed::k_type) continue;
    auto done = core::decode_as<core::Refreshed>(root);
    if (!done) return std::move(done).error();
    for (core::RefreshedGeneration& generation : done->generations) {
      staged.items = std::max(staged.items, generation.items);
      if (generation.errors == 0) continue;
      staged.why = std::to_string(generation.errors) + " errors while collecting";
      staged.output = std::move(generation.output);
    }
    return staged;
  }
}

core::Result<bool> promote(const Address& staging, const std::string& path) {
  auto socket = connect_socket(staging, k_patience);
  if (!socket) return std::move(socket).error();
  if (auto sent = send_frame(socket->get(), core::v1::encode(core::v1::PromoteCommand{path}), {}, k_patience); !sent) return std::move(sent).error();
  core::FrameSocket answers(std::move(*socket));
  auto frame = answers.receive(k_promotion);
  if (!frame) return std::move(frame).error();
  if (!frame->has_value()) return text::error(core::ErrorCode::timed_out, "move the new daemon to '" + path + "': it does not say that it has");
  auto document = core::decode_pickle((*frame)->payload, core::Limits::control());
  if (!document) return std::move(document).error();
  auto answer = core::v1::decode_answer(document->root());
  if (!answer) return std::move(answer).error();
  const auto* const promoted = std::get_if<core::v1::PromotedAnswer>(&*answer);
  return promoted != nullptr && promoted->promoted;
}

void end(ClientConnection& connection) {
  core::ShutdownRequest now;
  now.now = true;
  if (connection.send(now)) (void)connection.next_event(k_patience);
}

}  // namespace

core::Result<Address> staging_address(const Address& address) { return explicit_address(address.socket_path() + ".staging"); }

core::Result<Staged> stage_and_promote(const Address& address, const StartOptions& start, const core::RunRequest& warm) {
  auto staging = staging_address(address);
  if (!staging) return std::move(staging).error();
  ConnectOptions connecting;
  connecting.start = start;
  auto connection = connect_to_daemon(*staging, connecting);
  if (!connection) return std::move(connection).error();
  auto staged = collect(*connection, warm);
  if (staged && staged->why.empty()) {
    auto promoted = promote(*staging, address.socket_path());
    staged->promoted = promoted && *promoted;
    if (!staged->promoted) staged->why = promoted ? "the daemon in use did not leave" : promoted.error().message;
  }
  if (!staged || !staged->promoted) end(*connection);
  return staged;
}

}  // namespace pf::ctl
