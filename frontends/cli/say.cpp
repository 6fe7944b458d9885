#include "say.hpp"

#include <cstdio>

#include <pfctl/client_setup.hpp>

#include "exit_codes.hpp"
#include "terminal.hpp"

namespace pf::cli {

int refuse(int exit_code, std::string_view message, std::string_view hint) {
  std::fflush(stdout);
  std::fprintf(stderr, "pfast: error: %.*s\n", static_cast<int>(message.size()), message.data());
  if (!hint.empty()) std::fprintf(stderr, "  hint: %.*s\n", static_cast<int>(hint.size()), hint.data());
  return exit_code;
}

int refuse(int exit_code, const core::Error& error, std::string_view hint) {
  const ctl::Complaint complaint = ctl::complaint_of(error);
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
