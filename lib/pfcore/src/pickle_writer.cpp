#include <pfcore/pickle_writer.hpp>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <limits>

#include "key_hash.hpp"
#include "pickle_opcodes.hpp"
#include "pickle_text.hpp"
#include "value_encoder.hpp"

namespace pf::core {
namespace {

constexpr char code(Op op) noexcept { return static_cast<char>(op); }

// As CPython: a reader need not hold more than this on its stack.
constexpr std::uint32_t k_batch = 1000;
constexpr std::size_t k_first_text_slots = 64;
constexpr std::size_t k_kept_text_slots = 16u << 10;
constexpr std::size_t k_longest_probe = 32;
constexpr std::size_t k_first_buffer = 1024;   // the largest that glibc's allocator has at hand
constexpr std::size_t k_kept_buffer = 1u << 20;
constexpr std::size_t k_header_bytes = 11;  // PROTO, FRAME and its length

struct Spelling {
  std::string_view module;
  std::string_view module_of_python2;
  std::string_view name;
};
constexpr std::array<Spelling, 6> k_spellings{{
    {"builtins", "__builtin__", "set"},
    {"builtins", "__builtin__", "frozenset"},
    {"builtins", "__builtin__", "bytearray"},
    {"builtins", "__builtin__", "complex"},
    {"builtins", "__builtin__", "bytes"},
    {"_codecs", "_codecs", "encode"},
}};

int usable(int protocol) noexcept { return protocol >= 5 ? 5 : protocol == 4 ? 4 : 2; }

}  // namespace

PickleWriter::PickleWriter(int protocol, TextMemo memo)
    : protocol_(usable(protocol)),
      memo_(memo),
      buffer_(std::make_unique_for_overwrite<char[]>(k_first_buffer)),
      capacity_(k_first_buffer),
      text_slots_(k_first_text_slots) {
  start();
}

void PickleWriter::start() {
  size_ = 0;
  put(code(Op::proto));
  put(static_cast<char>(protocol_));
  if (protocol_ >= 4) put_number(code(Op::frame), 0, 8);  // the length follows when it is known
}

std::string PickleWriter::finish() {
  assert(open_.empty());
  put(code(Op::stop));
  if (protocol_ >= 4) {
    const std::uint64_t length = size_ - k_header_bytes;
    std::memcpy(buffer_.get() + k_header_bytes - sizeof length, &length, sizeof length);
  }
  std::string pickle(buffer_.get(), size_);
  if (capacity_ > k_kept_buffer) {
    buffer_ = std::make_unique_for_overwrite<char[]>(k_first_buffer);
    capacity_ = k_first_buffer;
  }
  // A large index is kept for writers that need it each time; to the others clearing it would be a burden.
  const std::size_t sensible = std::min(k_kept_text_slots, k_first_text_slots + 16 * texts_.size());
  const bool is_too_large = text_slots_.size() > sensible;
  if (is_too_large) text_slots_ = std::vector<TextSlot>(k_first_text_slots);
  else if (!texts_.empty()) std::fill(text_slots_.begin(), text_slots_.end(), TextSlot{});
  if (texts_.capacity() > k_kept_text_slots) texts_ = {};
  texts_.clear();
  memo_size_ = 0;
  names_.fill(0);
  open_.clear();
  start();
  return pickle;
}

// ---------------------------------------------------------------- bytes

void PickleWriter::grow(std::size_t bytes) {
  const std::size_t capacity = std::max(2 * capacity_, size_ + bytes);
  auto larger = std::make_unique_for_overwrite<char[]>(capacity);
  std::memcpy(larger.get(), buffer_.get(), size_);
  buffer_ = std::move(larger);
  capacity_ = capacity;
}

// `opcodes` count with 1, 4 and 8 bytes; '\0' for one that the protocol lacks.
void PickleWriter::put_counted(std::array<char, 3> opcodes, std::string_view data) {
  if (data.size() <= 0xFF && opcodes[0] != '\0') put_number(opcodes[0], data.size(), 1);
  else if (data.size() <= 0xFFFFFFFF) put_number(opcodes[1], data.size(), 4);
  else put_number(opcodes[2], data.size(), 8);
  put_raw(data);
}

void PickleWriter::put_raw(std::string_view data) {
  if (!data.empty()) std::memcpy(extend(data.size()), data.data(), data.size());
}

void PickleWriter::put_get(std::uint32_t index) {
  if (index <= 0xFF) put_number(code(Op::binget), index, 1);
  else put_number(code(Op::long_binget), index, 4);
}

std::uint32_t PickleWriter::memoize() {
  const std::uint32_t index = memo_size_++;
  if (protocol_ >= 4) put(code(Op::memoize));
  else if (index <= 0xFF) put_number(code(Op::binput), index, 1);
  else put_number(code(Op::long_binput), index, 4);
  return index;
}

// ---------------------------------------------------------------- texts

// The slot of the text, or a free one for it; null where the neighbourhood is crowded: such a text is written in full.
PickleWriter::TextSlot* PickleWriter::find_text(std::string_view text, std::uint32_t hash) {
  const std::size_t mask = text_slots_.size() - 1;
  std::size_t at = hash & mask;
  for (std::size_t probe = 0; probe < k_longest_probe; ++probe, at = (at + 1) & mask) {
    TextSlot& slot = text_slots_[at];
    if (slot.text_plus_one == 0) return &slot;
    if (slot.hash != hash) continue;
    const MemoText& known = texts_[slot.text_plus_one - 1];
    if (known.size == text.size() && std::memcmp(buffer_.get() + known.at, text.data(), text.size()) == 0) return &slot;
  }
  return nullptr;
}

void PickleWriter::grow_text_slots() {
  std::vector<TextSlot> old(4 * text_slots_.size());
  old.swap(text_slots_);
  const std::size_t mask = text_slots_.size() - 1;
  for (const TextSlot& slot : old) {
    if (slot.text_plus_one == 0) continue;
    std::size_t at = slot.hash & mask;
    while (text_slots_[at].text_plus_one != 0) at = (at + 1) & mask;
    text_slots_[at] = slot;
  }
}

std::uint32_t PickleWriter::put_text(std::string_view utf8) {
  constexpr std::array<char, 3> k_opcodes{code(Op::short_binunicode), code(Op::binunicode), code(Op::binunicode8)};
  constexpr std::array<char, 3> k_old_opcodes{'\0', code(Op::binunicode), code(Op::binunicode8)};
  const auto& opcodes = protocol_ >= 4 ? k_opcodes : k_old_opcodes;
  if (memo_ == TextMemo::off || utf8.size() < k_memo_least_bytes || utf8.size() > k_memo_most_bytes) {
    put_counted(opcodes, utf8);
    return k_no_memo;
  }
  const std::uint32_t hash = hash_str_key(utf8);
  TextSlot* const slot = find_text(utf8, hash);
  if (slot != nullptr && slot->text_plus_one != 0) {
    const std::uint32_t index = texts_[slot->text_plus_one - 1].memo_index;
    put_get(index);
    return index;
  }
  put_counted(opcodes, utf8);
  if (slot == nullptr || size_ > std::numeric_limits<std::uint32_t>::max()) return k_no_memo;
  const auto size = static_cast<std::uint32_t>(utf8.size());
  const auto at = static_cast<std::uint32_t>(size_ - size);
  const std::uint32_t index = memoize();
  texts_.push_back({at, size, index});
  *slot = {hash, static_cast<std::uint32_t>(texts_.size())};
  if (2 * texts_.size() > text_slots_.size()) grow_text_slots();
  return index;
}

void PickleWriter::put_name(Name name) {
  std::uint32_t& index = names_[static_cast<std::size_t>(name)];
  if (index != 0) return put_get(index - 1);
  const Spelling& spelling = k_spellings[static_cast<std::size_t>(name)];
  if (protocol_ >= 4) {
    put_text(spelling.module);
    put_text(spelling.name);
    put(code(Op::stack_global));
  } else {
    put(code(Op::global));
    for (const std::string_view line : {spelling.module_of_python2, spelling.name}) {
      put_raw(line);
      put('\n');
    }
  }
  index = memoize() + 1;
}

void PickleWriter::put_bytes(std::string_view data) {
  if (protocol_ >= 4) return put_counted({code(Op::short_binbytes), code(Op::binbytes), code(Op::binbytes8)}, data);
  if (data.empty()) {
    put_name(Name::bytes);
    put(code(Op::empty_tuple));
  } else {
    // Protocol 2 has no bytes: a str of the same Latin-1 characters is written, and how to encode it.
    put_name(Name::encode);
    put_counted({'\0', code(Op::binunicode), code(Op::binunicode8)}, latin1_to_utf8(data));
    put_text("latin1");
    put(code(Op::tuple2));
  }
  put(code(Op::reduce));
}

// ---------------------------------------------------------------- numbers

void PickleWriter::put_twos_complement(std::string_view little_endian) {
  if (little_endian.size() <= 0xFF) put_number(code(Op::long1), little_endian.size(), 1);
  else put_number(code(Op::long4), little_endian.size(), 4);
  put_raw(little_endian);
}

void PickleWriter::put_floating(double value) {
  put_number(code(Op::binfloat), __builtin_bswap64(std::bit_cast<std::uint64_t>(value)), 8);
}

void PickleWriter::put_integer(std::int64_t value) {
  if (value >= 0 && value <= 0xFF) {
    put_number(code(Op::binint1), static_cast<std::uint64_t>(value), 1);
  } else if (value >= 0 && value <= 0xFFFF) {
    put_number(code(Op::binint2), static_cast<std::uint64_t>(value), 2);
  } else if (value >= std::numeric_limits<std::int32_t>::min() && value <= std::numeric_limits<std::int32_t>::max()) {
    put_number(code(Op::binint), static_cast<std::uint64_t>(value), 4);
  } else {
    std::array<char, sizeof value> bytes{};
    std::memcpy(bytes.data(), &value, sizeof value);
    put_twos_complement(least_twos_complement({bytes.data(), bytes.size()}));
  }
}

void PickleWriter::integer(std::int64_t value) {
  put_integer(value);
  value_done();
}

void PickleWriter::uinteger(std::uint64_t value) {
  if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return integer(static_cast<std::int64_t>(value));
  }
  std::array<char, sizeof value + 1> bytes{};  // one more for the sign
  std::memcpy(bytes.data(), &value, sizeof value);
  put_twos_complement({bytes.data(), bytes.size()});
  value_done();
}

// ---------------------------------------------------------------- calls

// Ends a full batch, so that the next value begins another.
inline void PickleWriter::value_done() {
  if (open_.empty() || --open_.back().left > 0) return;
  Open& open = open_.back();
  put(open.close);
  open.mark_at = size_;
  put(code(Op::mark));
  open.left = open.close == code(Op::setitems) ? 2 * k_batch : k_batch;
}

void PickleWriter::none() {
  put(code(Op::none));
  value_done();
}

void PickleWriter::boolean(bool value) {
  put(code(value ? Op::newtrue : Op::newfalse));
  value_done();
}

void PickleWriter::floating(double value) {
  put_floating(value);
  value_done();
}

void PickleWriter::str(std::string_view utf8) {
  put_text(utf8);
  value_done();
}

void PickleWriter::bytes(std::string_view data) {
  put_bytes(data);
  value_done();
}

void PickleWriter::begin(std::string_view opcodes, char close) {
  for (const char opcode : opcodes) put(opcode);
  std::uint32_t left = std::numeric_limits<std::uint32_t>::max();
  if (close == code(Op::appends)) left = k_batch;
  if (close == code(Op::setitems)) left = 2 * k_batch;
  open_.push_back({close, left, size_ - 1});
}

void PickleWriter::end() {
  assert(!open_.empty());
  const Open open = open_.back();
  open_.pop_back();
  const bool is_tuple = open.close == code(Op::tuple);
  if (size_ == open.mark_at + 1) {
    // Nothing since the mark: it goes.
    size_ = open.mark_at;
    if (is_tuple) put(code(Op::empty_tuple));
  } else {
    put(open.close);
  }
  value_done();
}

void PickleWriter::begin_tuple() { begin("(", code(Op::tuple)); }
void PickleWriter::end_tuple() { end(); }
void PickleWriter::begin_list() { begin("](", code(Op::appends)); }
void PickleWriter::end_list() { end(); }
void PickleWriter::begin_dict() { begin("}(", code(Op::setitems)); }
void PickleWriter::end_dict() { end(); }

void PickleWriter::value(const Value& value) {
  ValueEncoder(*this).encode(value);
  value_done();
}

}  // namespace pf::core
