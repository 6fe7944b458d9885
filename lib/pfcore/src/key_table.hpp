// Keys of a dict or set under construction: found by a linear search while they are few, by a hash index after that.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "decode_memory.hpp"
#include "key_hash.hpp"
#include "value_nodes.hpp"

namespace pf::core {

// Entries up to which a linear search over (length, bytes) beats hashing.
inline constexpr std::size_t k_linear_search_most = 16;

namespace detail {

// Open addressing with linear probing, three quarters full at most. Slots follow the struct.
struct KeyIndex {
  struct Slot {
    std::uint32_t hash;
    std::uint32_t entry_plus_one;  // 0: free
  };
  std::uint32_t mask;

  [[nodiscard]] Slot* slots() noexcept { return reinterpret_cast<Slot*>(this + 1); }
  [[nodiscard]] const Slot* slots() const noexcept { return reinterpret_cast<const Slot*>(this + 1); }
};
static_assert(sizeof(KeyIndex) % alignof(KeyIndex::Slot) == 0);

}  // namespace detail

// The elements of a dict are DictEntry, those of a set are Value; the key comes first in both.
class KeyTable {
 public:
  KeyTable(KeyHasher& hasher, detail::DecodeMemory& memory) noexcept : hasher_(hasher), memory_(memory) {}

  // Adds entries that stand at [node.size, node.size + count) in node.data already. An entry whose key is there is
  // dropped; in a dict its value replaces the old one, and the old key stays. On a fault the node is unusable.
  [[nodiscard]] KeyFault take(detail::MutableNode& node, bool is_dict, std::size_t count);

 private:
  [[nodiscard]] bool has_known_keys(const detail::MutableNode& node, std::size_t count) const noexcept;
  [[nodiscard]] KeyFault find_linear(const detail::MutableNode& node, std::size_t stride, const Value& key,
                                     std::optional<std::size_t>& found);
  [[nodiscard]] KeyFault find_or_index(detail::MutableNode& node, std::size_t stride, const Value& key,
                                       std::optional<std::size_t>& found);
  [[nodiscard]] KeyFault build_index(detail::MutableNode& node, std::size_t stride, std::size_t entries);
  void raise_work_limit() noexcept;

  KeyHasher& hasher_;
  detail::DecodeMemory& memory_;
  // By number of entries, those of the last dict that had so many: dicts in a list have the same keys mostly.
  std::array<const DictEntry*, k_linear_search_most + 1> last_of_size_{};
};

// Of a finished dict.
[[nodiscard]] std::optional<std::size_t> find_str_key(const detail::MutableNode& dict, std::string_view key) noexcept;

}  // namespace pf::core
