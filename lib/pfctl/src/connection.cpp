#include <pfctl/connection.hpp>

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace pf::ctl {
namespace {

constexpr std::size_t k_streams = 3;

// Results that come in a stream wake the client together: it reads on the processors that the tests run on.
constexpr Milliseconds k_results_wait{10};
constexpr std::size_t k_results_bytes = 100u << 10;

// How a pickled ('run', fp, full_report, …) begins: PROTO, FRAME and its length, MARK, a short text.
constexpr std::size_t k_frame_opcode_bytes = 9;
constexpr std::string_view k_v1_run = "(\x8c\x03run";

// As far as it is there, `payload` may be the pickle of a version 1 run with node ids.
bool may_be_v1_run(std::string_view payload) {
  const auto at = [&](std::size_t i) { return i < payload.size() ? std::optional(payload[i]) : std::nullopt; };
  if (at(0).value_or('\x80') != '\x80') return false;
  if (const char protocol = at(1).value_or(4); protocol != 4 && protocol != 5) return false;
  if (at(2).value_or('\x95') != '\x95') return false;
  const std::string_view rest = payload.substr(std::min(2 + k_frame_opcode_bytes, payload.size()));
  return k_v1_run.starts_with(rest.substr(0, k_v1_run.size()));
}

// What no process could be started with; empty when all is well.
std::string fault_of(const core::RunRequest& request) {
  const auto has_nul = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  if (request.cwd.empty() || request.cwd.front() != '/' || has_nul(request.cwd)) return "cwd is no absolute path";
  if (std::any_of(request.argv.begin(), request.argv.end(), has_nul)) return "an argument has a NUL byte";
  for (const auto& [key, value] : request.env) {
    if (key.empty() || key.find('=') != std::string::npos || has_nul(key) || has_nul(value)) {
      return "the environment has an entry that no process can have";
    }
  }
  return {};
}

}  // namespace

Connection::Connection(Loop& loop, ConnectionHandler& handler, std::int64_t id, ConnectionLimits limits)
    : handler_(handler),
      id_(id),
      limits_(limits),
      channel_(loop, *this, ChannelOptions{limits.command_bytes, true}),
      command_timer_(loop, [this] { refuse("timed-out", "read a command: its bytes stopped coming", ""); }),
      stall_timer_(loop, [this] { close(); }),
      results_timer_(loop, [this] { channel_.flush_queued(); }) {}

// ---------------------------------------------------------------- what comes in

void Connection::on_frame(Channel& channel, std::string_view payload) {
  if (v1_) return;
  const bool is_large = payload.size() > limits_.greeting_bytes;
  if (is_large && !greeted_ && !may_be_v1_run(payload)) return refuse_large_greeting();
  auto document = core::decode_pickle(payload, greeted_ || is_large ? core::Limits::control() : core::Limits::greeting());
  if (!document) {
    refuse("bad-frame", document.error().message + " at byte " + std::to_string(document.error().offset), "");
    return;
  }
  if (greeted_) command(document->root());
  else greet(document->root());
  if (channel.queued_bytes() > limits_.queue_bytes) close();
}

void Connection::greet(const core::Value& root) {
  if (root.kind() == core::Kind::tuple) {
    v1_command(root);
    return;
  }
  auto hello = core::decode_as<core::Hello>(root);
  if (core::message_type(root) != core::Hello::k_type || !hello) {
    refuse("protocol", "understand the first message: it is no greeting", "");
    return;
  }
  if (hello->protocol != core::k_protocol_version) {
    refuse("protocol", "serve protocol " + std::to_string(hello->protocol) + ": this daemon speaks version 2",
           "`pfast restart` starts a daemon of your version");
    return;
  }
  greeted_ = true;
  core::Welcome welcome;
  welcome.version = PF_VERSION;
  welcome.pid = ::getpid();
  send_event(core::encode(welcome));
}

// Version 1, the predecessor's protocol: a client says one thing, and what is nothing of it gets no answer.
void Connection::v1_command(const core::Value& root) {
  v1_ = true;
  auto command = core::v1::decode_command(root);
  if (command) handler_.on_v1(*this, std::move(*command));
  else close();
}

void Connection::command(const core::Value& root) {
  const std::string_view type = core::message_type(root);
  if (type == core::RunRequest::k_type) {
    run_command(root);
  } else if (type == core::CancelRequest::k_type) {
    auto request = core::decode_as<core::CancelRequest>(root);
    if (request) handler_.on_cancel(*this, *request);
    else refuse("bad-request", request.error().message, "");
  } else if (type == core::StatusRequest::k_type) {
    handler_.on_status(*this);
  } else if (type == core::ExplainRequest::k_type) {
    handler_.on_explain(*this);
  } else if (type == core::ShutdownRequest::k_type) {
    auto request = core::decode_as<core::ShutdownRequest>(root);
    if (request) handler_.on_shutdown(*this, *request);
    else refuse("bad-request", request.error().message, "");
  } else if (type == core::RefreshRequest::k_type) {
    refresh_command(root);
  } else if (type == core::WatchRequest::k_type) {
    auto request = core::decode_as<core::WatchRequest>(root);
    if (request) handler_.on_watch(*this, *request);
    else refuse("bad-request", request.error().message, "");
  } else if (type == core::HandOverRequest::k_type) {
    auto request = core::decode_as<core::HandOverRequest>(root);
    if (request) handler_.on_hand_over(*this, *request);
    else refuse("bad-request", request.error().message, "");
  } else if (type == core::ResizeRequest::k_type) {
    // The controller has the terminal itself and asks it.
  } else {
    refuse("unknown-verb", "understand the verb '" + std::string(type.substr(0, 40)) + "'", "");
  }
}

void Connection::run_command(const core::Value& root) {
  auto request = core::decode_as<core::RunRequest>(root);
  if (!request) {
    refuse("bad-request", request.error().message, "");
    return;
  }
  if (const std::string fault = fault_of(*request); !fault.empty()) {
    refuse("bad-request", "start a run: " + fault, "");
    return;
  }
  auto streams = channel_.take_fds(k_streams);
  if (streams.size() != k_streams) {
    refuse("bad-request", "start a run without the client's three streams", "file descriptors may have run out: see `ulimit -n`");
    return;
  }
  handler_.on_run(*this, std::move(*request), std::move(streams));
}

void Connection::refresh_command(const core::Value& root) {
  auto refresh = core::decode_as<core::RefreshRequest>(root);
  if (!refresh) {
    refuse("bad-request", refresh.error().message, "");
  } else if (const std::string fault = refresh->only_stale ? std::string() : fault_of(refresh->request); !fault.empty()) {
    refuse("bad-request", "refresh: " + fault, "");
  } else {
    handler_.on_refresh(*this, std::move(*refresh));
  }
}

// A frame that has begun is larger than a greeting and nothing else that may come first.
bool Connection::is_too_large(std::string_view begun) const {
  if (greeted_ || v1_ || begun.size() < core::k_frame_header_bytes) return false;
  std::size_t announced = 0;
  for (const char byte : begun.substr(0, core::k_frame_header_bytes)) announced = (announced << 8) | static_cast<unsigned char>(byte);
  return announced > limits_.greeting_bytes && !may_be_v1_run(begun.substr(core::k_frame_header_bytes));
}

void Connection::refuse_large_greeting() {
  refuse("bad-frame", "read a frame: a greeting has at most " + std::to_string(limits_.greeting_bytes) + " bytes", "");
}

void Connection::on_read(Channel& channel) {
  if (is_too_large(channel.pending())) return refuse_large_greeting();
  if (channel.pending_bytes() == 0) {
    command_timer_.stop();
  } else if (!command_timer_.active()) {
    command_timer_.start(limits_.command);
  }
}

bool Connection::on_broken(Channel&, const core::Error& why) {
  // A frame over the bound, or bytes of another protocol read as one: there is no way back into step.
  refuse("bad-frame", why.message, "");
  return true;
}

void Connection::on_end(Channel&, const core::Error&) { gone(); }

// ---------------------------------------------------------------- what goes out

void Connection::send_event(std::string_view payload) { send_event(payload, {}); }

void Connection::send_event(std::string_view payload, std::vector<core::UniqueFd> fds) {
  channel_.send(payload, std::move(fds));
  note_queued();
}

void Connection::send_result(std::string_view payload) {
  channel_.queue(payload);
  if (channel_.queued_bytes() >= k_results_bytes) channel_.flush_queued();
  else if (channel_.is_open() && !results_timer_.active()) results_timer_.start(k_results_wait);
  note_queued();
}

void Connection::note_queued() {
  if (channel_.queued_bytes() > limits_.queue_bytes) {
    close();
    return;
  }
  if (channel_.is_open() && !stall_timer_.active()) stall_timer_.start(limits_.stall);
}

void Connection::send_progress(std::string_view payload) {
  if (channel_.queued_bytes() <= limits_.droppable_bytes) send_event(payload);
}

void Connection::send_last_answer(std::string_view payload) {
  send_event(payload);
  channel_.close_when_sent();
}

void Connection::on_sent(Channel& channel) {
  if (channel.queued_bytes() == 0) stall_timer_.stop();
  else stall_timer_.start(limits_.stall);
  handler_.on_client_read(*this);
}

void Connection::refuse(std::string code, std::string message, std::string hint) {
  core::ErrorEvent event;
  event.code = std::move(code);
  event.message = std::move(message);
  event.hint = std::move(hint);
  send_event(core::encode(event));
  channel_.close_when_sent();
  command_timer_.stop();
}

void Connection::close() {
  channel_.close();
  gone();
}

void Connection::gone() {
  if (std::exchange(gone_, true)) return;
  command_timer_.stop();
  stall_timer_.stop();
  results_timer_.stop();
  handler_.on_client_gone(*this);
}

}  // namespace pf::ctl
