// Protocol version 1, that of the predecessor pytest-fast 0.9.3: a client sends one command, a tuple, and the daemon answers
// with dicts and closes. PROTOCOL.md, section 7, is the reference.
//
// Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <pfcore/export.hpp>
#include <pfcore/result.hpp>
#include <pfcore/value.hpp>

PF_CORE_API_BEGIN
namespace pf::core::v1 {

// ---------------------------------------------------------------- commands, client to daemon

struct RunCommand {
  std::optional<std::string> fingerprint;             // of the client's environment; none is not compared
  bool full_report = false;
  bool stream = false;                                // reports instead of progress
  std::optional<std::vector<std::string>> nodeids;    // none: everything. The predecessor looks at it with `stream` only
  bool detailed = false;
  std::int64_t bench = 0;                             // runs for the report on bottlenecks; 0 and less: none
};
struct StatusCommand {
  std::optional<std::string> fingerprint;
};
struct ShutdownCommand {};
struct PromoteCommand {
  std::string address;
};
using Command = std::variant<RunCommand, StatusCommand, ShutdownCommand, PromoteCommand>;

[[nodiscard]] std::string encode(const Command& command);
// Elements may be missing from the right, and more than are known are ignored. As the predecessor, a flag may be an int, and
// nodeids that are no list are none.
// Errors: invalid_argument (a tuple with a verb that version 1 does not have; the message names it), malformed (no tuple, or an
// element of a kind that nobody sends; the message names it), limit (more than `most_bytes` bytes of text).
[[nodiscard]] Result<Command> decode_command(const Value& value, std::size_t most_bytes = std::size_t{512} << 20);

// ---------------------------------------------------------------- answers, daemon to client

struct ProgressAnswer {
  std::int64_t done = 0;
  std::int64_t total = 0;
};
// One phase, in the form of pytest_report_to_serializable. Valid as long as the Document it is from.
struct ReportAnswer {
  Value report;
};
struct FinishedAnswer {
  std::int64_t exit_code = 0;
  std::string summary;
};
struct StaleAnswer {};                                // instead of a run: that daemon ends
struct ReadyAnswer {
  bool ready = true;
  bool stale = false;
};
struct ByeAnswer {};
struct PromotedAnswer {
  bool promoted = false;
};
using Answer = std::variant<ProgressAnswer, ReportAnswer, FinishedAnswer, StaleAnswer, ReadyAnswer, ByeAnswer, PromotedAnswer>;

[[nodiscard]] std::string encode(const Answer& answer);
// Unknown keys are ignored. Errors: malformed (no dict, none of the known keys, or a value of another kind), limit.
[[nodiscard]] Result<Answer> decode_answer(const Value& value, std::size_t most_bytes = std::size_t{512} << 20);

}  // namespace pf::core::v1
PF_CORE_API_END
