// The bytes of a history file. Numbers are little-endian.
//
//   magic      8 bytes    "PFHIST1\n"; another format has another one
//   checksum   u64        XXH3-64 of what follows
//   count      u32        records
//   records               shared u16: so many bytes of the node id are those of the record before it
//                         length u16, and so many bytes: the rest of the node id
//                         call, setup, shared: f32 seconds, NaN = not known
//                         outcomes u32, day u32, runs u16, flaky u16, flags u8 (1: setup is a bound, 2: shared is a bound)
//
// Nothing in a file is trusted: it may come from a CI cache, from another machine, or from anybody who may write there.
#include <pfctl/history.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

#include "hash.hpp"

namespace pf::ctl {
namespace {

constexpr std::string_view k_magic = "PFHIST1\n";
constexpr std::size_t k_head_bytes = 16;
constexpr std::uint8_t k_setup_is_bound = 1;
constexpr std::uint8_t k_shared_is_bound = 2;
static_assert(std::endian::native == std::endian::little);

template <typename T>
void put(std::string& out, T number) {
  static_assert(std::is_trivially_copyable_v<T>);
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

// Reads from the front; after the first failure everything is zero and ok() is false.
class Source {
 public:
  explicit Source(std::string_view bytes) noexcept : rest_(bytes) {}
  template <typename T>
  T take() noexcept {
    T number{};
    const std::string_view bytes = take_bytes(sizeof number);
    if (bytes.size() == sizeof number) std::memcpy(&number, bytes.data(), sizeof number);
    return number;
  }
  std::string_view take_bytes(std::size_t count) noexcept {
    if (count > rest_.size()) {
      rest_ = {};
      ok_ = false;
      return {};
    }
    const std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

void put_record(std::string& out, std::string_view before, std::string_view nodeid, const TestRecord& record) {
  const auto shared = static_cast<std::size_t>(std::mismatch(before.begin(), before.end(), nodeid.begin(), nodeid.end()).first - before.begin());
  put(out, static_cast<std::uint16_t>(shared));
  put(out, static_cast<std::uint16_t>(nodeid.size() - shared));
  out.append(nodeid.substr(shared));
  put(out, record.call_s);
  put(out, record.setup_s);
  put(out, record.shared_s);
  put(out, record.outcomes);
  put(out, record.day);
  put(out, record.runs);
  put(out, record.flaky);
  put(out, static_cast<std::uint8_t>((record.setup_is_bound ? k_setup_is_bound : 0) | (record.shared_is_bound ? k_shared_is_bound : 0)));
}

float sane_seconds(float seconds) noexcept { return std::isfinite(seconds) && seconds >= 0 ? seconds : k_unknown_s; }

TestRecord take_record(Source& source) {
  TestRecord record;
  record.call_s = sane_seconds(source.take<float>());
  record.setup_s = sane_seconds(source.take<float>());
  record.shared_s = sane_seconds(source.take<float>());
  record.outcomes = source.take<std::uint32_t>();
  record.day = source.take<std::uint32_t>();
  record.runs = source.take<std::uint16_t>();
  record.flaky = source.take<std::uint16_t>();
  const auto flags = source.take<std::uint8_t>();
  record.setup_is_bound = (flags & k_setup_is_bound) != 0;
  record.shared_is_bound = (flags & k_shared_is_bound) != 0;
  return record;
}

core::Error malformed(std::string_view what) {
  return core::Error{core::ErrorCode::malformed, "read the history: " + std::string(what), 0, 0};
}

}  // namespace

std::string History::encode() const {
  // The day before which tests are left out when there are too many.
  std::uint32_t oldest = 0;
  if (entries_.size() > k_most_tests) {
    std::vector<std::uint32_t> days;
    for (const Entry& entry : entries_) days.push_back(entry.record.day);
    const auto last = days.begin() + static_cast<std::ptrdiff_t>(entries_.size() - k_most_tests);
    std::nth_element(days.begin(), last, days.end());
    oldest = *last;
  }
  std::string body;
  body.reserve(entries_.size() * 60);
  put(body, std::uint32_t{0});
  std::uint32_t count = 0;
  std::string_view before;
  for (const Entry& entry : entries_) {
    if (entry.record.day < oldest || count == k_most_tests) continue;
    put_record(body, before, entry.nodeid, entry.record);
    before = entry.nodeid;
    ++count;
  }
  std::memcpy(body.data(), &count, sizeof count);
  std::string out(k_magic);
  put(out, hash::number64(body));
  return out + body;
}

core::Result<History> History::decode(std::string_view bytes) {
  if (bytes.size() < k_head_bytes || bytes.substr(0, k_magic.size()) != k_magic) return malformed("it is none, or of another version");
  const std::string_view body = bytes.substr(k_head_bytes);
  if (Source(bytes.substr(k_magic.size())).take<std::uint64_t>() != hash::number64(body)) return malformed("its checksum is wrong");
  Source source(body);
  const auto count = source.take<std::uint32_t>();
  if (count > k_most_tests) return malformed("it counts " + std::to_string(count) + " tests");
  History history;
  std::string nodeid;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto shared = source.take<std::uint16_t>();
    const auto length = source.take<std::uint16_t>();
    if (shared > nodeid.size() || std::size_t{shared} + length > k_most_nodeid_bytes) return malformed("a node id in it is too long");
    nodeid.resize(shared);
    nodeid.append(source.take_bytes(length));
    const TestRecord record = take_record(source);
    if (!source.ok()) return malformed("it is cut off");
    if (history.places_.contains(nodeid)) return malformed("it names a test twice");
    history.add(nodeid).record = record;
  }
  if (!source.at_end()) return malformed("something follows its last test");
  return history;
}

}  // namespace pf::ctl
