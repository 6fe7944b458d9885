// FrameReader: a stream in any pieces gives the payloads that its lengths say, up to the first length over the bound.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pfcore/frame.hpp>
#include <pfcore/pickle_reader.hpp>

#include "property.hpp"

namespace {

using namespace pf::core;

struct Expected {
  std::vector<std::string_view> payloads;
  bool lost = false;        // a length is over the bound
  std::size_t left = 0;     // bytes behind the last whole frame
};

Expected expected_of(std::string_view stream, std::size_t limit) {
  Expected expected;
  for (;;) {
    expected.left = stream.size();
    if (stream.size() < k_frame_header_bytes) return expected;
    std::size_t length = 0;
    for (std::size_t i = 0; i < k_frame_header_bytes; ++i) length = length << 8 | static_cast<std::uint8_t>(stream[i]);
    if (length > limit) {
      expected.lost = true;
      return expected;
    }
    if (stream.size() - k_frame_header_bytes < length) return expected;
    expected.payloads.push_back(stream.substr(k_frame_header_bytes, length));
    stream.remove_prefix(k_frame_header_bytes + length);
  }
}

// The decoders of the daemon's side of a connection: the greeting's bounds first.
void decode(std::string_view payload, bool is_first) {
  (void)decode_pickle(payload, is_first ? Limits::greeting() : Limits::control()).ok();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // The pieces are chosen by what stands at the end: a seed is a stream as it is.
  constexpr std::size_t k_limit = 65'536;  // a greeting's
  const std::string_view whole(reinterpret_cast<const char*>(data), size);
  const Expected expected = expected_of(whole, k_limit);
  std::uint32_t state = static_cast<std::uint32_t>(size) * 2654435761u + (size > 0 ? data[size - 1] : 0);
  FrameReader reader(k_limit);
  std::string_view stream = whole;
  std::size_t seen = 0;
  bool lost = false;
  while (!stream.empty()) {
    state = state * 1664525 + 1013904223;
    const bool exactly = (state >> 8) % 4 == 0;  // as FrameSocket reads
    const std::size_t wish = exactly ? reader.missing_bytes() : 1 + (state >> 16) % 97;
    const std::string_view piece = stream.substr(0, std::max<std::size_t>(wish, 1));
    stream.remove_prefix(piece.size());
    reader.feed(piece);
    for (;;) {
      Result<std::optional<std::string_view>> next = reader.next();
      lost = !next.ok();
      if (lost || !*next) break;
      PF_PROPERTY(seen < expected.payloads.size());
      PF_PROPERTY(**next == expected.payloads[seen]);
      decode(**next, seen == 0);
      ++seen;
    }
    PF_PROPERTY(lost || reader.missing_bytes() > 0);
  }
  PF_PROPERTY(lost == expected.lost);
  PF_PROPERTY(seen == expected.payloads.size());
  PF_PROPERTY(reader.pending_bytes() == expected.left);
  return 0;
}
