#include "key_table.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace pf::core {
namespace {

using detail::Block;
using detail::block_of;
using detail::KeyIndex;
using detail::MutableNode;

const Value& key_at(const MutableNode& node, std::size_t stride, std::size_t at) noexcept {
  return *reinterpret_cast<const Value*>(static_cast<const char*>(node.data) + at * stride);
}

char* entry_at(const MutableNode& node, std::size_t stride, std::size_t at) noexcept {
  return static_cast<char*>(const_cast<void*>(node.data)) + at * stride;
}

bool same_str(const Value& key, std::string_view text) noexcept {
  if (key.kind() != Kind::str) return false;
  const std::string_view mine = ValueAccess::text_of(key);
  if (mine.size() != text.size()) return false;
  // Keys of one length differ in the first byte mostly, and the same key again is the same text.
  if (mine.data() == text.data() || text.empty()) return true;
  return mine[0] == text[0] && std::memcmp(mine.data(), text.data(), text.size()) == 0;
}

bool is_same_str_object(const Value& a, const Value& b) noexcept {
  return a.kind() == Kind::str && b.kind() == Kind::str && ValueAccess::extra(a) == ValueAccess::extra(b) &&
         ValueAccess::address_of(a) == ValueAccess::address_of(b);
}

// Tells most texts that are new to a small dict from those that might be in it, by their length and ends.
class SeenTexts {
 public:
  // False for what is no str, or may be known.
  [[nodiscard]] bool is_new(const Value& key) noexcept {
    if (key.kind() != Kind::str) return false;
    const std::string_view text = ValueAccess::text_of(key);
    if (text.empty()) return false;
    const auto first = static_cast<std::uint8_t>(text.front());
    const auto last = static_cast<std::uint8_t>(text.back());
    const std::size_t mark = (first * 7u + last * 3u + text.size() * 37u) % (64 * k_words);
    std::uint64_t& word = words_[mark / 64];
    const std::uint64_t bit = std::uint64_t{1} << (mark % 64);
    const bool is_new = (word & bit) == 0;
    word |= bit;
    return is_new;
  }

 private:
  static constexpr std::size_t k_words = 4;
  std::array<std::uint64_t, k_words> words_{};
};

// A comparison of this many bytes is one step; nearly always it ends at the lengths.
constexpr std::size_t k_text_bytes_a_step = 64;

std::size_t slot_count(std::size_t entries) noexcept { return std::bit_ceil(entries + entries / 3 + 1); }

constexpr std::size_t k_first_index_entries = 1024;

bool is_full(const KeyIndex& index, std::size_t entries) noexcept {
  const std::size_t slots = index.mask + std::size_t{1};
  return entries > slots - slots / 4;
}

// The slots hold the whole hash, so that an index grows without looking at the keys.
void insert_slot(KeyIndex& index, KeyIndex::Slot slot) noexcept {
  std::uint32_t at = slot.hash & index.mask;
  while (index.slots()[at].entry_plus_one != 0) at = (at + 1) & index.mask;
  index.slots()[at] = slot;
}

}  // namespace

KeyFault KeyTable::take(MutableNode& node, bool is_dict, std::size_t count) {
  const std::size_t stride = is_dict ? sizeof(DictEntry) : sizeof(Value);
  const std::size_t end = node.size + count;
  raise_work_limit();
  const bool is_small_and_new = is_dict && node.size == 0 && count <= k_linear_search_most;
  if (is_small_and_new && has_known_keys(node, count)) {
    node.size = static_cast<std::uint32_t>(count);
    return KeyFault::none;
  }
  if (end > k_linear_search_most && node.index == nullptr) {
    // No larger than what is known to have different keys: a later one may be refused.
    const KeyFault fault = build_index(node, stride, std::min(end, k_first_index_entries));
    if (fault != KeyFault::none) return fault;
  }
  SeenTexts seen;
  for (std::size_t next = node.size; next < end; ++next) {
    const Value& key = key_at(node, stride, next);
    std::optional<std::size_t> found;
    if (is_small_and_new && next == node.size && seen.is_new(key)) {
      ++node.size;
      continue;
    }
    const KeyFault fault = node.index == nullptr ? find_linear(node, stride, key, found)
                                                 : find_or_index(node, stride, key, found);
    if (fault != KeyFault::none) return fault;
    if (!found) {
      if (node.index != nullptr && is_full(*node.index, node.size + 1)) {
        const KeyFault grown = build_index(node, stride, 2 * std::size_t{node.size});
        if (grown != KeyFault::none) return grown;
      }
      if (next != node.size) std::memcpy(entry_at(node, stride, node.size), entry_at(node, stride, next), stride);
      ++node.size;
    } else if (is_dict) {
      const auto* added = reinterpret_cast<const DictEntry*>(entry_at(node, stride, next));
      reinterpret_cast<DictEntry*>(entry_at(node, stride, *found))->value = added->value;
    }
  }
  if (is_small_and_new && node.size == count) last_of_size_[count] = static_cast<const DictEntry*>(node.data);
  return KeyFault::none;
}

// The same texts in the same order: they are different, as they were there. So small an array of entries stays where it
// is until the end, and its keys stay what they are.
bool KeyTable::has_known_keys(const MutableNode& node, std::size_t count) const noexcept {
  const DictEntry* const known = last_of_size_[count];
  if (known == nullptr) return false;
  const auto* const entries = static_cast<const DictEntry*>(node.data);
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_same_str_object(entries[i].key, known[i].key)) return false;
  }
  return true;
}

KeyFault KeyTable::find_linear(const MutableNode& node, std::size_t stride, const Value& key,
                               std::optional<std::size_t>& found) {
  if (key.kind() == Kind::str) {
    const std::string_view text = ValueAccess::text_of(key);
    for (std::size_t i = 0; i < node.size && !found; ++i) {
      if (same_str(key_at(node, stride, i), text)) found = i;
    }
    hasher_.count_work(1 + node.size * text.size() / k_text_bytes_a_step);
    return hasher_.worked_too_much() ? KeyFault::too_much_work : KeyFault::none;
  }
  std::uint32_t unused = 0;
  if (const KeyFault fault = hasher_.hash(key, unused); fault != KeyFault::none) return fault;
  for (std::size_t i = 0; i < node.size && !found; ++i) {
    if (hasher_.equal(key, key_at(node, stride, i))) found = i;
  }
  return hasher_.worked_too_much() ? KeyFault::too_much_work : KeyFault::none;
}

// Finds the key, or gives it the number of the entry that the caller is going to add.
KeyFault KeyTable::find_or_index(MutableNode& node, std::size_t stride, const Value& key,
                                 std::optional<std::size_t>& found) {
  std::uint32_t hash = 0;
  if (const KeyFault fault = hasher_.hash(key, hash); fault != KeyFault::none) return fault;
  KeyIndex& index = *node.index;
  std::uint32_t at = hash & index.mask;
  for (;; at = (at + 1) & index.mask) {
    const KeyIndex::Slot slot = index.slots()[at];
    if (slot.entry_plus_one == 0) break;
    hasher_.count_work(1);
    if (slot.hash != hash) continue;
    if (hasher_.equal(key, key_at(node, stride, slot.entry_plus_one - 1))) {
      found = slot.entry_plus_one - 1;
      return KeyFault::none;
    }
    if (hasher_.worked_too_much()) return KeyFault::too_much_work;
  }
  index.slots()[at] = {hash, node.size + 1};
  return KeyFault::none;
}

// Makes an index with room for `entries`, or a larger one of the one that is there.
KeyFault KeyTable::build_index(MutableNode& node, std::size_t stride, std::size_t entries) {
  const std::size_t slots = slot_count(entries);
  Block* const block = memory_.new_block(sizeof(KeyIndex) + slots * sizeof(KeyIndex::Slot));
  if (block == nullptr) return KeyFault::over_heap_bound;
  memory_.own(block);
  auto* const index = new (block->data()) KeyIndex{static_cast<std::uint32_t>(slots - 1)};
  std::memset(index->slots(), 0, slots * sizeof(KeyIndex::Slot));
  KeyIndex* const old = node.index;
  node.index = index;
  if (old != nullptr) {
    for (std::size_t i = 0; i <= old->mask; ++i) {
      if (old->slots()[i].entry_plus_one != 0) insert_slot(*index, old->slots()[i]);
    }
    memory_.disown(block_of(old));
    memory_.free_block(block_of(old));
    return KeyFault::none;
  }
  for (std::size_t i = 0; i < node.size; ++i) {
    std::uint32_t hash = 0;
    if (const KeyFault fault = hasher_.hash(key_at(node, stride, i), hash); fault != KeyFault::none) return fault;
    insert_slot(*index, {hash, static_cast<std::uint32_t>(i + 1)});
  }
  return KeyFault::none;
}

// Honest keys take about one step a byte; what is allowed without counting covers small pickles.
void KeyTable::raise_work_limit() noexcept { hasher_.allow_work((std::size_t{1} << 19) + 3 * memory_.consumed()); }

std::optional<std::size_t> find_str_key(const MutableNode& dict, std::string_view key) noexcept {
  if (dict.index == nullptr) {
    for (std::size_t i = 0; i < dict.size; ++i) {
      if (same_str(key_at(dict, sizeof(DictEntry), i), key)) return i;
    }
    return std::nullopt;
  }
  const std::uint32_t hash = hash_str_key(key);
  const KeyIndex& index = *dict.index;
  for (std::uint32_t at = hash & index.mask;; at = (at + 1) & index.mask) {
    const KeyIndex::Slot slot = index.slots()[at];
    if (slot.entry_plus_one == 0) return std::nullopt;
    if (slot.hash == hash && same_str(key_at(dict, sizeof(DictEntry), slot.entry_plus_one - 1), key)) {
      return slot.entry_plus_one - 1;
    }
  }
}

}  // namespace pf::core
