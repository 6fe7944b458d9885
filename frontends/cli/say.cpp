#include "say.hpp"

#include <cstdio>

#include "exit_codes.hpp"
#include "terminal.hpp"

namespace pf::cli {

Complaint complaint_of(const core::Error& error) {
  Complaint complaint{"failed to " + error.message, {}};
  std::string& text = complaint.message;
  if (text.find('\n') != text.npos) return complaint;   // with the end of a log in it
  std::size_t end = text.rfind("; ");
  if (const std::size_t command = text.find('`'); end == text.npos && command != text.npos) end = text.rfind(": ", command);
  if (end == text.npos) return complaint;
  complaint.hint = text.substr(end + 2);
  text.resize(end);
  return complaint;
}

int refuse(int exit_code, std::string_view message, std::string_view hint) {
  std::fflush(stdout);
  std::fprintf(stderr, "pfast: error: %.*s\n", static_cast<int>(message.size()), message.data());
  if (!hint.empty()) std::fprintf(stderr, "  hint: %.*s\n", static_cast<int>(hint.size()), hint.data());
  return exit_code;
}

int refuse(int exit_code, const core::Error& error, std::string_view hint) {
  const Complaint complaint = complaint_of(error);
  return refuse(exit_code, complaint.message, complaint.hint.empty() ? hint : complaint.hint);
}

int refuse(const core::ErrorEvent& error) {
  const int code = static_cast<int>(error.exit_code);
  // What was printed before it went wrong is the explanation; it goes where errors go.
  std::fflush(stdout);
  write_to(2, error.output);
  // pytest's own codes mean that its own text said it all.
  if (error.message.empty() && code < k_exit_internal) return code;
  // The forkserver's answer is a sentence; all others read after "failed to".
  const bool is_sentence = error.code == "collection-failed";
  return refuse(code, (is_sentence ? "" : "failed to ") + error.message, error.hint);
}

void note(std::string_view message) {
  std::fflush(stdout);
  std::fprintf(stderr, "pfast: %.*s\n", static_cast<int>(message.size()), message.data());
}

}  // namespace pf::cli
