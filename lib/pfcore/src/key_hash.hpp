// Hashes and equality of dict keys and set elements, by Python's rules: 1 == True == 1.0, 2**53 == 2.0**53, a NaN
// equals only itself. Iterative, and every step is counted, so that keys made to collide are refused instead of served.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <pfcore/value.hpp>

namespace pf::core {

enum class KeyFault : std::uint8_t { none, unhashable, too_deep, too_many_nodes, too_much_work, over_heap_bound };

inline constexpr std::size_t k_deepest_key = 64;

class KeyHasher {
 public:
  // max_depth is at most k_deepest_key.
  KeyHasher(std::size_t max_depth, std::size_t max_nodes) noexcept : max_depth_(max_depth), max_nodes_(max_nodes) {}

  // Steps that may be taken in all; raised while the input is read.
  void allow_work(std::size_t steps) noexcept { allowed_work_ = steps; }
  void count_work(std::size_t steps) noexcept { work_ += steps; }
  [[nodiscard]] bool worked_too_much() const noexcept { return work_ > allowed_work_; }

  // `hash` is set when the answer is `none`.
  [[nodiscard]] KeyFault hash(const Value& key, std::uint32_t& hash);
  // Of two values that hash() took.
  [[nodiscard]] bool equal(const Value& left, const Value& right);

 private:
  [[nodiscard]] bool equal_scalars(const Value& left, const Value& right);

  std::size_t max_depth_;
  std::size_t max_nodes_;
  std::size_t allowed_work_ = 0;
  std::size_t work_ = 0;
};

// The hash of a str key, for look-ups.
[[nodiscard]] std::uint32_t hash_str_key(std::string_view text) noexcept;

}  // namespace pf::core
