// Expected failures as values: Result<T> carries either a T or an Error.
//
// An Error has a code that callers branch on and a lowercase fragment that reads after "failed to …".
// Exceptions are kept for bugs and for running out of memory. Thread-safe as far as T is; no globals.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <pfcore/export.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

enum class ErrorCode : std::uint8_t {
  invalid_argument,  // the caller's input cannot be right, whoever reads it
  malformed,         // bytes that are not what the format says
  truncated,         // bytes that end too early
  limit,             // a bound of the policy in force was passed
  refused,           // well-formed, but never accepted (a forbidden opcode, an untrusted peer)
  not_found,
  exists,
  closed,            // the other side is gone
  timed_out,
  system,            // a system call failed: sys_errno tells which way
};

[[nodiscard]] std::string_view to_string(ErrorCode code) noexcept;

struct Error {
  ErrorCode code = ErrorCode::system;
  std::string message;      // fragment: "open the log '/x': No space left on device"
  int sys_errno = 0;        // errno for ErrorCode::system, else 0
  std::size_t offset = 0;   // byte offset in the input, for decoders

  // "<what>: <strerror(err)>" with code system.
  [[nodiscard]] static Error from_errno(std::string_view what, int err);
  // Prefixes the message with "<context>: ".
  [[nodiscard]] Error with_context(std::string_view context) &&;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}   // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  [[nodiscard]] T& value() & { assert(ok()); return *std::get_if<0>(&state_); }
  [[nodiscard]] const T& value() const& { assert(ok()); return *std::get_if<0>(&state_); }
  [[nodiscard]] T&& value() && { assert(ok()); return std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  [[nodiscard]] Error& error() & { assert(!ok()); return *std::get_if<1>(&state_); }
  [[nodiscard]] const Error& error() const& { assert(!ok()); return *std::get_if<1>(&state_); }
  [[nodiscard]] Error&& error() && { assert(!ok()); return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Error> state_;
};

// Success without a value.
struct Unit {};
using Status = Result<Unit>;
[[nodiscard]] inline Status ok_status() { return Unit{}; }

}  // namespace pf::core
PF_CORE_API_END
