#include "say.hpp"

#include <cstdio>

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

void note(std::string_view message) {
  std::fflush(stdout);
  std::fprintf(stderr, "pfast: %.*s\n", static_cast<int>(message.size()), message.data());
}

}  // namespace pf::cli
