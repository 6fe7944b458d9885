// A growing array of Values that lives while a pickle is decoded (its stack, its memo). The first entries need no heap.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>

#include "decode_memory.hpp"
#include "value_nodes.hpp"

namespace pf::core::detail {

class ValueArray {
 public:
  explicit ValueArray(DecodeMemory& memory) noexcept
      : memory_(memory), begin_(first()), end_(begin_), limit_(begin_ + k_first) {}
  ValueArray(const ValueArray&) = delete;
  ValueArray& operator=(const ValueArray&) = delete;
  ~ValueArray() {
    if (block_ != nullptr) memory_.free_block(block_);
  }

  [[nodiscard]] Value* begin() noexcept { return begin_; }
  [[nodiscard]] Value* end() noexcept { return end_; }
  [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(end_ - begin_); }
  [[nodiscard]] Value& operator[](std::size_t at) noexcept { return begin_[at]; }

  // False when the heap bound forbids it. By value: it may stand in this array, which may move.
  [[nodiscard]] bool push(Value value) {
    if (end_ == limit_ && !grow()) return false;
    *end_++ = value;
    return true;
  }
  void truncate(Value* end) noexcept { end_ = end; }

  // Gives the entries from `from` on away as a block of their own, without a moment at which they exist twice. Null when
  // the array has no block or that would not pay: the caller copies then.
  [[nodiscard]] Block* split_off(Value* from) {
    const auto below = static_cast<std::size_t>(from - begin_);
    const auto count = static_cast<std::size_t>(end_ - from);
    if (block_ == nullptr || count < k_worth_splitting || below > k_first) return nullptr;
    Block* const given = block_;
    std::memcpy(static_cast<void*>(first()), begin_, below * sizeof(Value));
    std::memmove(given->data(), from, count * sizeof(Value));
    block_ = nullptr;
    begin_ = first();
    end_ = begin_ + below;
    limit_ = begin_ + k_first;
    return memory_.trim_block(given, count * sizeof(Value));
  }

 private:
  static constexpr std::size_t k_first = 192;
  static constexpr std::size_t k_worth_splitting = 1024;

  [[nodiscard]] Value* first() noexcept { return reinterpret_cast<Value*>(first_.data()); }
  [[nodiscard]] bool grow() {
    const std::size_t held = size();
    // Not one by one when the bound is near: each step may copy everything.
    const std::size_t capacity = memory_.growth(held * sizeof(Value), (held + held / 16 + 1) * sizeof(Value));
    Block* const block = block_ == nullptr ? memory_.new_block(capacity) : memory_.resize_block(block_, capacity);
    if (block == nullptr) return false;
    if (block_ == nullptr) std::memcpy(block->data(), begin_, held * sizeof(Value));
    block_ = block;
    begin_ = reinterpret_cast<Value*>(block->data());
    end_ = begin_ + held;
    limit_ = begin_ + block->capacity() / sizeof(Value);
    return true;
  }

  DecodeMemory& memory_;
  Block* block_ = nullptr;
  Value* begin_;
  Value* end_;
  Value* limit_;
  alignas(Value) std::array<char, k_first * sizeof(Value)> first_;  // not initialised: it is large, and short-lived
};

}  // namespace pf::core::detail
