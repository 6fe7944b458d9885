#include <pfctl/address_claim.hpp>

#include <poll.h>

#include <algorithm>
#include <string>
#include <utility>

#include <pfcore/daemon_messages.hpp>
#include <pfcore/pickle_reader.hpp>

#include "text.hpp"

namespace pf::ctl {
namespace {

using Clock = std::chrono::steady_clock;
using core::ErrorCode;

constexpr std::chrono::milliseconds k_answer{5000};
constexpr int k_first_pause_ms = 5;
constexpr int k_longest_pause_ms = 250;

core::Result<std::optional<AddressClaim>> try_claim(const Address& address) {
  auto lock = FileLock::try_lock(address.dir.get(), address.life_lock, address.path_of(address.life_lock));
  if (!lock) return std::move(lock).error();
  if (!lock->has_value()) return std::optional<AddressClaim>();
  return std::optional(AddressClaim{std::move(**lock), std::nullopt});
}

std::string holder(const Address& address) { return "the daemon with pid " + std::to_string(read_pid(address)); }

core::Result<ClientConnection> connect_to_holder(const Address& address) {
  ConnectOptions options;
  options.may_start = false;
  options.replace_other_version = false;
  options.greet_timeout = k_answer;
  return connect_to_daemon(address, options);
}

// Errors: invalid_argument (it does not know the verb), closed and not_found (it is just leaving), and others that are final.
core::Result<AddressClaim> ask_for(const Address& address, ClientConnection connection) {
  if (auto sent = connection.send(core::HandOverRequest{}); !sent) return std::move(sent).error();
  auto frame = connection.next_frame(k_answer);
  if (!frame) return std::move(frame).error();
  if (!frame->has_value()) return text::error(ErrorCode::timed_out, "take over '" + address.socket_path() + "': " + holder(address) + " does not answer");
  const auto document = core::decode_pickle((*frame)->payload, core::Limits::control());
  if (!document) return document.error();
  if (core::message_type(document->root()) == core::HandedOver::k_type && (*frame)->fds.size() == 1) {
    auto lock = FileLock::adopt(std::move((*frame)->fds.front()), address.dir.get(), address.life_lock, address.path_of(address.life_lock));
    if (!lock) return std::move(lock).error();
    return AddressClaim{std::move(*lock), std::move(connection)};
  }
  const auto refusal = core::decode_as<core::ErrorEvent>(document->root());
  const std::string code = refusal ? refusal->code : std::string();
  if (code == "unknown-verb") return text::error(ErrorCode::invalid_argument, "take over '" + address.socket_path() + "'");
  if (code == "shutting-down" || code == "busy") return text::error(ErrorCode::closed, refusal->message);
  return text::error(ErrorCode::refused, "take over '" + address.socket_path() + "': " +
                                             (refusal ? refusal->message : std::string("what answers is no daemon of ours")));
}

}  // namespace

void AddressClaim::confirm() {
  if (!predecessor) return;
  core::HandOverRequest done;
  done.done = true;
  (void)predecessor->send(done);   // dead by now: then the address is free anyway
  predecessor.reset();
}

core::Result<AddressClaim> claim_address(const Address& address) {
  auto claim = try_claim(address);
  if (!claim) return std::move(claim).error();
  if (claim->has_value()) return std::move(**claim);
  return text::error(ErrorCode::exists, "serve: " + holder(address) + " holds " + address.path_of(address.life_lock));
}

core::Result<AddressClaim> take_over_address(const Address& address, std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  for (int pause_ms = k_first_pause_ms;; pause_ms = std::min(2 * pause_ms, k_longest_pause_ms)) {
    auto free = try_claim(address);
    if (!free) return std::move(free).error();
    if (free->has_value()) return std::move(**free);
    core::Error why;
    if (auto connection = connect_to_holder(address); !connection) {
      why = std::move(connection).error();
    } else {
      auto claim = ask_for(address, std::move(*connection));
      if (claim) return claim;
      why = std::move(claim).error();
    }
    if (why.code == ErrorCode::invalid_argument) {
      if (auto other = connect_to_holder(address)) (void)other->send(core::ShutdownRequest{});
    } else if (why.code != ErrorCode::closed && why.code != ErrorCode::not_found) {
      return why;
    }
    if (Clock::now() >= deadline) {
      return text::error(ErrorCode::timed_out, "take over '" + address.socket_path() + "': " + holder(address) + " does not leave (" +
                                                   why.message + "); `pfast stop --now` ends it");
    }
    ::poll(nullptr, 0, pause_ms);
  }
}

}  // namespace pf::ctl
