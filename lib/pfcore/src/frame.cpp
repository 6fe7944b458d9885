#include <pfcore/frame.hpp>

#include <algorithm>
#include <utility>

namespace pf::core {
namespace {

// A buffer that held a large frame is given back once the frame has been read.
constexpr std::size_t k_keep_buffer_bytes = 256u << 10;

std::size_t read_length(std::string_view header) noexcept {
  std::size_t length = 0;
  for (std::size_t i = 0; i < k_frame_header_bytes; ++i) length = (length << 8) | static_cast<unsigned char>(header[i]);
  return length;
}

Error over_limit(std::size_t bytes, std::size_t limit) {
  return {ErrorCode::limit,
          "read a frame: it announces " + std::to_string(bytes) + " bytes, " + std::to_string(limit) + " are allowed"};
}

}  // namespace

FrameHeader frame_header(std::size_t payload_bytes) noexcept {
  FrameHeader header{};
  for (std::size_t i = 0; i < k_frame_header_bytes; ++i) {
    header[i] = static_cast<char>((payload_bytes >> (8 * (k_frame_header_bytes - 1 - i))) & 0xFF);
  }
  return header;
}

Status check_frame_length(std::size_t payload_bytes) {
  if (payload_bytes <= k_frame_cap_bytes) return ok_status();
  return Error{ErrorCode::limit, "send a frame: " + std::to_string(payload_bytes) + " bytes of payload, " +
                                     std::to_string(k_frame_cap_bytes) + " are allowed"};
}

Result<std::string> encode_frame(std::string_view payload) {
  if (Status allowed = check_frame_length(payload.size()); !allowed) return std::move(allowed).error();
  const FrameHeader header = frame_header(payload.size());
  std::string frame;
  frame.reserve(header.size() + payload.size());
  frame.append(header.data(), header.size()).append(payload);
  return frame;
}

void FrameReader::feed(std::string_view bytes) {
  drop_consumed();
  buffer_.append(bytes);
}

void FrameReader::drop_consumed() {
  if (consumed_ == 0) return;
  if (consumed_ == buffer_.size()) buffer_.clear();
  else buffer_.erase(0, consumed_);
  consumed_ = 0;
  if (buffer_.capacity() > k_keep_buffer_bytes && buffer_.size() < k_keep_buffer_bytes / 2) buffer_.shrink_to_fit();
}

Result<std::optional<std::string_view>> FrameReader::next() {
  const std::string_view held = std::string_view(buffer_).substr(consumed_);
  if (!payload_bytes_) {
    if (held.size() < k_frame_header_bytes) return std::optional<std::string_view>();
    const std::size_t announced = read_length(held);
    if (announced > max_payload_bytes_) return over_limit(announced, max_payload_bytes_);
    payload_bytes_ = announced;
  }
  const std::size_t whole = k_frame_header_bytes + *payload_bytes_;
  if (held.size() < whole) return std::optional<std::string_view>();
  consumed_ += whole;
  payload_bytes_.reset();
  return std::optional<std::string_view>(held.substr(k_frame_header_bytes, whole - k_frame_header_bytes));
}

std::size_t FrameReader::missing_bytes() const noexcept {
  const std::size_t wanted = k_frame_header_bytes + payload_bytes_.value_or(0);
  return wanted - std::min(wanted, pending_bytes());
}

}  // namespace pf::core
