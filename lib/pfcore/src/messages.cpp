#include <pfcore/daemon_messages.hpp>

#include <cstring>

#include "message_codec.hpp"

namespace pf::core {

// ---------------------------------------------------------------- numbers in bulk

std::string pack_u32(const U32List& numbers) {
  std::string packed(numbers.size() * sizeof(std::uint32_t), '\0');
  if constexpr (std::endian::native == std::endian::little) {
    if (!numbers.empty()) std::memcpy(packed.data(), numbers.data(), packed.size());
  } else {
    for (std::size_t i = 0; i < packed.size(); ++i) packed[i] = static_cast<char>(numbers[i / 4] >> (8 * (i % 4)));
  }
  return packed;
}

U32List unpack_u32(std::string_view packed) {
  U32List numbers(packed.size() / sizeof(std::uint32_t));
  if constexpr (std::endian::native == std::endian::little) {
    if (!numbers.empty()) std::memcpy(numbers.data(), packed.data(), numbers.size() * sizeof(std::uint32_t));
  } else {
    for (std::size_t i = 0; i < packed.size(); ++i) numbers[i / 4] |= std::uint32_t{static_cast<std::uint8_t>(packed[i])} << (8 * (i % 4));
  }
  return numbers;
}

// ---------------------------------------------------------------- plain passes

PhaseReport plain_pass(std::string_view when) {
  PhaseReport phase;
  phase.when = when;
  phase.outcome = "passed";
  if (when == "call") {
    phase.category = "passed";
    phase.letter = ".";
    phase.word = "PASSED";
  }
  return phase;
}

bool is_plain_pass(const PhaseReport& phase) noexcept {
  if (phase.outcome != "passed" || phase.wasxfail || !phase.sections.empty() || !phase.properties.empty()) return false;
  for (const std::string* text : {&phase.longrepr, &phase.reason, &phase.headline, &phase.location, &phase.crash_line}) {
    if (!text->empty()) return false;
  }
  if (phase.when == "call") return phase.category == "passed" && phase.letter == "." && phase.word == "PASSED";
  return (phase.when == "setup" || phase.when == "teardown") && phase.category.empty() && phase.letter.empty() && phase.word.empty();
}

bool MessageDecoder::get_plain_pass(const Value& value, PhaseReport& member) {
  const std::span<const Value> parts = value.items();
  if (parts.size() < 4) return false;
  const std::optional<std::string_view> when = parts[0].as_str();
  if (!when) return false;
  member = plain_pass(*when);
  return get(parts[1], member.duration_s) && get(parts[2], member.cpu_s) && get(parts[3], member.start_s) &&
         (parts.size() < 5 || get(parts[4], member.queued_s));
}

// ---------------------------------------------------------------- decoding

const Value* MessageDecoder::find(std::string_view key) noexcept {
  for (std::size_t tried = 0; tried < entries_.size(); ++tried) {
    const std::size_t index = (at_ + tried) % entries_.size();
    if (entries_[index].key.as_str() == key) {
      at_ = index + 1;
      return &entries_[index].value;
    }
  }
  return nullptr;
}

bool MessageDecoder::get(const Value& value, bool& member) noexcept {
  const std::optional<bool> flag = value.as_bool();
  if (flag) member = *flag;
  return flag.has_value();
}

bool MessageDecoder::get(const Value& value, double& member) noexcept {
  const std::optional<double> number = value.as_number();
  if (number) member = *number;
  return number.has_value();
}

bool MessageDecoder::get(const Value& value, std::int64_t& member) noexcept {
  const std::optional<std::int64_t> number = value.as_int();
  if (number) member = *number;
  return number.has_value();
}

bool MessageDecoder::get(const Value& value, std::uint32_t& member) noexcept {
  const std::optional<std::int64_t> number = value.as_int();
  if (!number || *number < 0 || *number > std::numeric_limits<std::uint32_t>::max()) return false;
  member = static_cast<std::uint32_t>(*number);
  return true;
}

bool MessageDecoder::copy(std::string_view text, std::string& member) {
  if (!budget_.spend(text.size(), 1)) return false;
  member = text;
  return true;
}

bool MessageDecoder::get(const Value& value, std::string& member) {
  const std::optional<std::string_view> text = value.as_str();
  return text && copy(*text, member);
}

bool MessageDecoder::get(const Value& value, U32List& member) {
  const std::optional<std::string_view> packed = value.as_bytes();
  if (!packed || packed->size() % sizeof(std::uint32_t) != 0 || !budget_.spend(packed->size(), 1)) return false;
  member = unpack_u32(*packed);
  return true;
}

bool MessageDecoder::get(const Value& value, std::pair<std::string, std::string>& member) {
  const std::span<const Value> parts = value.items();
  return is_sequence(value) && parts.size() == 2 && get(parts[0], member.first) && get(parts[1], member.second);
}

bool MessageDecoder::get(const Value& value, InputFile& member) {
  const std::span<const Value> parts = value.items();
  if (value.kind() != Kind::tuple || parts.size() < 8) return false;
  std::uint64_t* const numbers[] = {&member.dev, &member.ino, &member.mode, &member.size};
  for (std::size_t i = 0; i < std::size(numbers); ++i) {
    std::int64_t number = 0;
    if (!get(parts[i + 1], number)) return false;
    *numbers[i] = std::bit_cast<std::uint64_t>(number);
  }
  return get_bytes(parts[0], member.path) && get(parts[5], member.mtime_ns) && get(parts[6], member.ctime_ns) &&
         get_bytes(parts[7], member.content_hash);
}

bool MessageDecoder::get_bytes(const Value& value, std::string& member) {
  const std::optional<std::string_view> data = value.as_bytes();
  return data && copy(*data, member);
}

bool MessageDecoder::get_bytes(const Value& value, OsStrings& member) {
  if (!is_sequence(value) || !budget_.spend(value.items().size(), sizeof(std::string))) return false;
  member.clear();
  member.reserve(value.items().size());
  for (const Value& item : value.items()) {
    if (!get_bytes(item, member.emplace_back())) return false;
  }
  return true;
}

bool MessageDecoder::get_environment(const Value& value, Environment& member) {
  if (value.kind() != Kind::dict || !budget_.spend(value.entries().size(), sizeof(Environment::value_type))) return false;
  member.clear();
  member.reserve(value.entries().size());
  for (const DictEntry& entry : value.entries()) {
    auto& [name, content] = member.emplace_back();
    if (!get_bytes(entry.key, name) || !get_bytes(entry.value, content)) return false;
  }
  return true;
}

// ---------------------------------------------------------------- the public face

template <typename T>
std::string encode(const T& message) {
  PickleWriter writer;
  writer.begin_dict();
  writer.field("type", T::k_type);
  MessageEncoder encoder(writer);
  fields(encoder, message);
  writer.end_dict();
  return writer.finish();
}

template <typename T>
Result<T> decode_as(const Value& value, std::size_t most_bytes) {
  const auto refused = [](ErrorCode code, std::string_view what) {
    return Error{code, "read a message as '" + std::string(T::k_type) + "': " + std::string(what), 0, 0};
  };
  const auto malformed = [&](std::string_view what) { return refused(ErrorCode::malformed, what); };
  if (value.kind() != Kind::dict) return malformed("it is no dict");
  if (message_type(value) != T::k_type) return malformed("it is of type '" + std::string(message_type(value)) + "'");
  T message;
  MessageBudget budget(most_bytes);
  MessageDecoder decoder(value, budget);
  fields(decoder, message);
  if (budget.overdrawn()) {
    return refused(ErrorCode::limit, "with field '" + decoder.wrong_field() + "' it takes more than " + std::to_string(most_bytes) + " bytes");
  }
  if (!decoder.wrong_field().empty()) return malformed("field '" + decoder.wrong_field() + "' is of the wrong kind");
  return message;
}

std::string_view message_type(const Value& value) noexcept {
  const std::optional<Value> type = value.find("type");
  return type ? type->as_str().value_or(std::string_view{}) : std::string_view{};
}

#define PF_MESSAGE(T)                                \
  template PF_CORE_API std::string encode(const T&); \
  template PF_CORE_API Result<T> decode_as(const Value&, std::size_t)

PF_MESSAGE(ItemResult);
PF_MESSAGE(WarningReport);
PF_MESSAGE(Hello);
PF_MESSAGE(RunRequest);
PF_MESSAGE(CancelRequest);
PF_MESSAGE(StatusRequest);
PF_MESSAGE(ShutdownRequest);
PF_MESSAGE(ResizeRequest);
PF_MESSAGE(Welcome);
PF_MESSAGE(PhaseEvent);
PF_MESSAGE(PlanEvent);
PF_MESSAGE(CollectedEvent);
PF_MESSAGE(ProgressEvent);
PF_MESSAGE(OutputEvent);
PF_MESSAGE(MeasuredEvent);
PF_MESSAGE(FinishedEvent);
PF_MESSAGE(ErrorEvent);
PF_MESSAGE(StatusReply);
PF_MESSAGE(ShutdownReply);
PF_MESSAGE(RefreshRequest);
PF_MESSAGE(Refreshed);
PF_MESSAGE(WatchRequest);
PF_MESSAGE(WatchState);
PF_MESSAGE(ExplainRequest);
PF_MESSAGE(Explanation);
PF_MESSAGE(HandOverRequest);
PF_MESSAGE(HandedOver);
PF_MESSAGE(BootRequest);
PF_MESSAGE(BootReady);
PF_MESSAGE(BootFailed);
PF_MESSAGE(LadderRequest);
PF_MESSAGE(LadderReady);
PF_MESSAGE(CheckpointMade);
PF_MESSAGE(ResumeRequest);
PF_MESSAGE(Resumed);
PF_MESSAGE(ForkRequest);
PF_MESSAGE(Forked);
PF_MESSAGE(ChildExited);
PF_MESSAGE(Selected);
PF_MESSAGE(Assign);
PF_MESSAGE(SpawnWorker);
PF_MESSAGE(WorkerStarted);
PF_MESSAGE(WorkerExited);
PF_MESSAGE(WorkerBoot);
PF_MESSAGE(ReportForward);
PF_MESSAGE(Testcases);
PF_MESSAGE(EndRun);
PF_MESSAGE(ControllerFinished);
PF_MESSAGE(WorkerFinished);

#undef PF_MESSAGE

}  // namespace pf::core
