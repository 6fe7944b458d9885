#include <pfcore/result.hpp>

#include <system_error>

namespace pf::core {

std::string_view to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid_argument: return "invalid argument";
    case ErrorCode::malformed: return "malformed";
    case ErrorCode::truncated: return "truncated";
    case ErrorCode::limit: return "limit";
    case ErrorCode::refused: return "refused";
    case ErrorCode::not_found: return "not found";
    case ErrorCode::exists: return "exists";
    case ErrorCode::closed: return "closed";
    case ErrorCode::timed_out: return "timed out";
    case ErrorCode::system: return "system";
  }
  return "unknown";
}

Error Error::from_errno(std::string_view what, int err) {
  Error error{ErrorCode::system, std::string(what), err, 0};
  error.message += ": ";
  error.message += std::generic_category().message(err);  // strerror, but thread-safe
  return error;
}

Error Error::with_context(std::string_view context) && {
  std::string prefixed;
  prefixed.reserve(context.size() + 2 + message.size());
  prefixed.append(context).append(": ").append(message);
  message = std::move(prefixed);
  return std::move(*this);
}

}  // namespace pf::core
