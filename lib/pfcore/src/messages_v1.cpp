#include <pfcore/messages_v1.hpp>

#include <span>
#include <utility>

#include <pfcore/pickle_writer.hpp>

#include "message_codec.hpp"

namespace pf::core::v1 {
namespace {

constexpr std::size_t k_most_shown_bytes = 40;

Error malformed(std::string what) { return {ErrorCode::malformed, "read the message of version 1: " + std::move(what)}; }
Error too_large() { return {ErrorCode::limit, "read the message of version 1: it takes too much memory"}; }

// What Python's bool() makes of what clients send for a flag.
std::optional<bool> flag_of(const Value& value) {
  if (const std::optional<bool> flag = value.as_bool()) return flag;
  if (const std::optional<std::int64_t> number = value.as_int()) return *number != 0;
  if (value.is_none()) return false;
  return std::nullopt;
}

// The elements of a command, from the left; those that are missing leave their member as it is.
class Elements {
 public:
  Elements(std::span<const Value> elements, std::size_t most_bytes) : elements_(elements), budget_(most_bytes) {}

  void text(const char* name, std::optional<std::string>& member) {
    const Value* const value = next();
    if (value == nullptr || value->is_none()) return;
    std::string copy;
    if (take(*value, copy)) member = std::move(copy);
    else refuse(name);
  }
  void text(const char* name, std::string& member) {
    const Value* const value = next();
    if (value == nullptr || !take(*value, member)) refuse(name);
  }
  void flag(const char* name, bool& member) {
    const Value* const value = next();
    if (value == nullptr) return;
    if (const std::optional<bool> flag = flag_of(*value)) member = *flag;
    else refuse(name);
  }
  void count(const char* name, std::int64_t& member) {
    const Value* const value = next();
    if (value == nullptr) return;
    if (const std::optional<std::int64_t> number = value->as_int()) member = *number;
    else if (const std::optional<bool> flag = flag_of(*value)) member = *flag ? 1 : 0;
    else refuse(name);
  }
  void texts(const char* name, std::optional<std::vector<std::string>>& member) {
    const Value* const value = next();
    if (value == nullptr || value->kind() != Kind::list) return;
    if (!budget_.spend(value->items().size(), sizeof(std::string))) return;
    std::vector<std::string>& texts = member.emplace();
    for (const Value& item : value->items()) {
      if (!take(item, texts.emplace_back())) return refuse(name);
    }
  }

  [[nodiscard]] Result<Command> done(Command command) const {
    if (budget_.overdrawn()) return too_large();
    if (wrong_ != nullptr) return malformed(std::string("'") + wrong_ + "' is of another kind");
    return command;
  }

 private:
  [[nodiscard]] const Value* next() { return at_ < elements_.size() ? &elements_[at_++] : nullptr; }
  [[nodiscard]] bool take(const Value& value, std::string& member) {
    const std::optional<std::string_view> text = value.as_str();
    if (!text || !budget_.spend(text->size(), 1)) return false;
    member = *text;
    return true;
  }
  void refuse(const char* name) {
    if (wrong_ == nullptr) wrong_ = name;
  }

  std::span<const Value> elements_;
  std::size_t at_ = 0;
  MessageBudget budget_;
  const char* wrong_ = nullptr;
};

// ---------------------------------------------------------------- writing

void put(PickleWriter& writer, const std::optional<std::string>& text) {
  if (text) write_text(writer, *text);
  else writer.none();
}

void put(PickleWriter& writer, const RunCommand& command) {
  writer.str("run");
  put(writer, command.fingerprint);
  writer.boolean(command.full_report);
  writer.boolean(command.stream);
  if (command.nodeids) {
    writer.begin_list();
    for (const std::string& nodeid : *command.nodeids) write_text(writer, nodeid);
    writer.end_list();
  } else {
    writer.none();
  }
  writer.boolean(command.detailed);
  writer.integer(command.bench);
}
void put(PickleWriter& writer, const StatusCommand& command) {
  writer.str("status");
  put(writer, command.fingerprint);
}
void put(PickleWriter& writer, const ShutdownCommand&) { writer.str("shutdown"); }
void put(PickleWriter& writer, const PromoteCommand& command) {
  writer.str("promote");
  write_text(writer, command.address);
}

void put(PickleWriter& writer, const ProgressAnswer& answer) {
  writer.str("progress");
  writer.begin_tuple();
  writer.integer(answer.done);
  writer.integer(answer.total);
  writer.end_tuple();
}
void put(PickleWriter& writer, const ReportAnswer& answer) {
  writer.str("report");
  writer.value(answer.report);
}
void put(PickleWriter& writer, const FinishedAnswer& answer) {
  writer.field("rc", answer.exit_code);
  writer.str("summary");
  write_text(writer, answer.summary);
}
void put(PickleWriter& writer, const StaleAnswer&) { writer.field("stale", true); }
void put(PickleWriter& writer, const ReadyAnswer& answer) {
  writer.field("ready", answer.ready);
  writer.field("stale", answer.stale);
}
void put(PickleWriter& writer, const ByeAnswer&) { writer.field("bye", true); }
void put(PickleWriter& writer, const PromotedAnswer& answer) { writer.field("promoted", answer.promoted); }

// ---------------------------------------------------------------- reading answers

Result<Answer> progress(const Value& value) {
  const std::span<const Value> parts = value.items();
  const bool is_sequence = value.kind() == Kind::tuple || value.kind() == Kind::list;
  if (!is_sequence || parts.size() != 2 || !parts[0].as_int() || !parts[1].as_int()) return malformed("'progress' is no pair of numbers");
  return Answer(ProgressAnswer{*parts[0].as_int(), *parts[1].as_int()});
}

Result<Answer> finished(const Value& exit_code, const std::optional<Value>& summary, std::size_t most_bytes) {
  FinishedAnswer answer;
  if (!exit_code.as_int()) return malformed("'rc' is no int");
  answer.exit_code = *exit_code.as_int();
  if (summary && !summary->as_str()) return malformed("'summary' is no str");
  if (summary && summary->as_str()->size() > most_bytes) return too_large();
  if (summary) answer.summary = *summary->as_str();
  return Answer(std::move(answer));
}

}  // namespace

std::string encode(const Command& command) {
  PickleWriter writer;
  writer.begin_tuple();
  std::visit([&](const auto& one) { put(writer, one); }, command);
  writer.end_tuple();
  return writer.finish();
}

std::string encode(const Answer& answer) {
  PickleWriter writer;
  writer.begin_dict();
  std::visit([&](const auto& one) { put(writer, one); }, answer);
  writer.end_dict();
  return writer.finish();
}

Result<Command> decode_command(const Value& value, std::size_t most_bytes) {
  if (value.kind() != Kind::tuple || value.items().empty()) return malformed("it is no tuple that begins with a verb");
  const std::optional<std::string_view> verb = value.items().front().as_str();
  if (!verb) return malformed("the verb is no str");
  Elements elements(value.items().subspan(1), most_bytes);
  if (*verb == "run") {
    RunCommand command;
    elements.text("fp", command.fingerprint);
    elements.flag("full_report", command.full_report);
    elements.flag("stream", command.stream);
    elements.texts("nodeids", command.nodeids);
    elements.flag("detailed", command.detailed);
    elements.count("bench", command.bench);
    return elements.done(std::move(command));
  }
  if (*verb == "status") {
    StatusCommand command;
    elements.text("fp", command.fingerprint);
    return elements.done(std::move(command));
  }
  if (*verb == "shutdown") return Command(ShutdownCommand{});
  if (*verb == "promote") {
    PromoteCommand command;
    elements.text("address", command.address);
    return elements.done(std::move(command));
  }
  return Error{ErrorCode::invalid_argument, "read the message of version 1: '" + std::string(verb->substr(0, k_most_shown_bytes)) +
                                                "' is none of its verbs (run, status, shutdown, promote)"};
}

Result<Answer> decode_answer(const Value& value, std::size_t most_bytes) {
  if (value.kind() != Kind::dict) return malformed("it is no dict");
  const auto flag = [&](std::string_view key) -> std::optional<bool> {
    const std::optional<Value> found = value.find(key);
    return found ? flag_of(*found) : std::nullopt;
  };
  if (const auto report = value.find("report"); report && !report->is_none()) {
    if (report->kind() != Kind::dict) return malformed("'report' is no dict");
    return Answer(ReportAnswer{*report});
  }
  if (const auto pair = value.find("progress")) return progress(*pair);
  if (const auto exit_code = value.find("rc")) return finished(*exit_code, value.find("summary"), most_bytes);
  if (const auto ready = flag("ready")) return Answer(ReadyAnswer{*ready, flag("stale").value_or(false)});
  if (flag("stale").value_or(false)) return Answer(StaleAnswer{});
  if (flag("bye").value_or(false)) return Answer(ByeAnswer{});
  if (const auto promoted = flag("promoted")) return Answer(PromotedAnswer{*promoted});
  return malformed("it has none of the keys report, progress, rc, ready, stale, bye, promoted");
}

}  // namespace pf::core::v1
