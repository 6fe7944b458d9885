// decode_as: whatever dict it gets, it gives a message that is encoded and decoded again as the same one, or an error.
#include <string>
#include <string_view>

#include <pfcore/canon.hpp>
#include <pfcore/daemon_messages.hpp>
#include <pfcore/messages_v1.hpp>
#include <pfcore/pickle_reader.hpp>
#include <pfcore/watch_messages.hpp>

#include "property.hpp"

namespace {

using namespace pf::core;

constexpr std::size_t k_most_bytes = 8u << 20;

template <typename T>
void check(const Value& value) {
  Result<T> message = decode_as<T>(value, k_most_bytes);
  if (!message) {
    PF_PROPERTY(message.error().code == ErrorCode::malformed || message.error().code == ErrorCode::limit);
    return;
  }
  PF_PROPERTY(message_type(value) == T::k_type);
  const std::string bytes = encode(*message);
  Result<Document> document = decode_pickle(bytes, Limits::result());
  PF_PROPERTY(document.ok());
  Result<T> again = decode_as<T>(document->root());
  PF_PROPERTY(again.ok());
  PF_PROPERTY(encode(*again) == bytes);
}

template <typename... T>
void check_all(const Value& value) {
  (check<T>(value), ...);
}

// The same for version 1, whose messages have no type.
template <typename Message, typename Decode>
void check_v1(const Value& value, Decode&& decode) {
  const Result<Message> message = decode(value);
  if (!message) {
    PF_PROPERTY(message.error().code == ErrorCode::malformed || message.error().code == ErrorCode::limit ||
                message.error().code == ErrorCode::invalid_argument);
    return;
  }
  const std::string bytes = v1::encode(*message);
  const Result<Document> document = decode_pickle(bytes, Limits::result());
  PF_PROPERTY(document.ok());
  const Result<Message> again = decode(document->root());
  PF_PROPERTY(again.ok());
  PF_PROPERTY(again->index() == message->index());
  // Values, not bytes: a report may have a container that was fetched twice and dropped once, which one encoding forgets.
  const std::string rewritten = v1::encode(*again);
  const Result<Document> third = decode_pickle(rewritten, Limits::result());
  PF_PROPERTY(third.ok());
  PF_PROPERTY(canonical_text(third->root(), k_most_bytes) == canonical_text(document->root(), k_most_bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view pickle(reinterpret_cast<const char*>(data), size);
  const Result<Document> document = decode_pickle(pickle, Limits::control());
  if (!document) return 0;
  check_all<ItemResult, WarningReport, Hello, RunRequest, CancelRequest, StatusRequest, ShutdownRequest, ResizeRequest, Welcome,
            PhaseEvent, PlanEvent, CollectedEvent, ProgressEvent, OutputEvent, FinishedEvent, ErrorEvent, StatusReply,
            ShutdownReply, BootRequest, BootReady, BootFailed, ForkRequest, Forked, ChildExited, Selected, Assign, SpawnWorker,
            WorkerStarted, WorkerExited, WorkerBoot, ReportForward, Testcases, EndRun, ControllerFinished, WorkerFinished, RefreshRequest,
            Refreshed, HandOverRequest, HandedOver, ExplainRequest, Explanation, WatchRequest, WatchState>(
      (*document).root());
  check_v1<v1::Command>(document->root(), [](const Value& value) { return v1::decode_command(value, k_most_bytes); });
  check_v1<v1::Answer>(document->root(), [](const Value& value) { return v1::decode_answer(value, k_most_bytes); });
  return 0;
}
