// Frames: a 4-byte big-endian length and that many bytes of payload. See PROTOCOL.md.
//
// Not thread-safe: one reader belongs to one stream. Fork safety: plain memory.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <pfcore/export.hpp>
#include <pfcore/result.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

inline constexpr std::size_t k_frame_header_bytes = 4;
inline constexpr std::size_t k_frame_cap_bytes = 256u << 20;

using FrameHeader = std::array<char, k_frame_header_bytes>;

// The header alone, for senders that do not want to copy the payload. Check the length first.
[[nodiscard]] FrameHeader frame_header(std::size_t payload_bytes) noexcept;
// Errors: limit when the payload is longer than k_frame_cap_bytes.
[[nodiscard]] Status check_frame_length(std::size_t payload_bytes);
// Header and payload in one string. Errors: limit when the payload is longer than k_frame_cap_bytes.
[[nodiscard]] Result<std::string> encode_frame(std::string_view payload);

// Cuts a byte stream into payloads, whatever way the stream was split. Holds at most one frame and never allocates
// before the bytes are there.
class FrameReader {
 public:
  explicit FrameReader(std::size_t max_payload_bytes = k_frame_cap_bytes) noexcept : max_payload_bytes_(max_payload_bytes) {}

  // Changes the bound for the frames that have not begun yet (a greeting's bound before it, a wider one after).
  void set_limit(std::size_t max_payload_bytes) noexcept { max_payload_bytes_ = max_payload_bytes; }
  void feed(std::string_view bytes);
  // The next whole payload, nullopt when more bytes are needed. Errors: limit (the length is over the bound: the
  // stream is lost, and every further call says so). The view is valid until the next call of feed or next.
  [[nodiscard]] Result<std::optional<std::string_view>> next();
  // Bytes held of a frame that is not whole yet.
  [[nodiscard]] std::size_t pending_bytes() const noexcept { return buffer_.size() - consumed_; }
  // Those bytes, the header first. Valid until the next call of feed or next.
  [[nodiscard]] std::string_view pending() const noexcept { return std::string_view(buffer_).substr(consumed_); }
  // Bytes that are missing to the end of the header, or, once next() has seen the header, to the end of the frame:
  // who reads no more than that never reads into the frame after it.
  [[nodiscard]] std::size_t missing_bytes() const noexcept;

 private:
  void drop_consumed();

  std::size_t max_payload_bytes_;
  std::string buffer_;
  std::size_t consumed_ = 0;                    // bytes at the start of buffer_ that next() has handed out
  std::optional<std::size_t> payload_bytes_;    // of the frame that has begun
};

}  // namespace pf::core
PF_CORE_API_END
