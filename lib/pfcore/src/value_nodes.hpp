// What a Value points to, and the only door to its private members. All of it lives in the Document's memory and is
// trivially destructible: a Document is destroyed by giving the memory back, whatever the values' shape.
#pragma once

#include <cstdint>
#include <string_view>

#include <pfcore/value.hpp>

namespace pf::core {
namespace detail {

struct KeyIndex;

// A container, a bytearray, or a str or bytes that is too long to be copied before the pickle has proved valid.
struct Node {
  static constexpr std::uint32_t k_most_depth = (1u << 24) - 1;

  const void* data = nullptr;   // Value[], DictEntry[] or char[]
  std::uint32_t size = 0;       // elements of it
  std::uint32_t depth : 24 = 1; // nesting below and including this container
  bool contained : 1 = false;   // it is an element of something
  bool shared : 1 = false;      // it was fetched a second time
  bool visited : 1 = false;     // by the last check of the depth
  bool has_block : 1 = false;   // data is a Block of its own (decode_memory.hpp)
};

// A list, dict or set.
struct MutableNode : Node {
  std::uint32_t capacity = 0;
  KeyIndex* index = nullptr;    // of a dict or set that is too large for a linear search
};

// A text whose bytes are still in the caller's input.
struct DeferredNode : Node {
  DeferredNode* next = nullptr;
};

struct ComplexNode {
  ComplexParts parts;
};

}  // namespace detail

// Kinds that exist while decoding only.
inline constexpr Kind k_kind_global = static_cast<Kind>(100);

struct ValueAccess {
  static constexpr std::uint32_t k_long_text = 0xFFFFFFFF;  // extra_ of a text that is a Node

  static Value boolean(bool value) noexcept {
    Value out;
    out.kind_ = Kind::boolean;
    out.boolean_ = value;
    return out;
  }
  static Value integer(std::int64_t value) noexcept {
    Value out;
    out.kind_ = Kind::integer;
    out.integer_ = value;
    return out;
  }
  // `serial` tells NaNs apart: they are dict keys by identity.
  static Value floating(double value, std::uint32_t serial) noexcept {
    Value out;
    out.kind_ = Kind::floating;
    out.extra_ = serial;
    out.floating_ = value;
    return out;
  }
  static Value complex(const detail::ComplexNode* node) noexcept {
    Value out;
    out.kind_ = Kind::complex;
    out.complex_ = node;
    return out;
  }
  // str, bytes, big_integer
  static Value text(Kind kind, std::string_view text) noexcept {
    Value out;
    out.kind_ = kind;
    out.extra_ = static_cast<std::uint32_t>(text.size());
    out.text_ = text.data();
    return out;
  }
  static Value long_text(Kind kind, const detail::Node* node) noexcept {
    Value out;
    out.kind_ = kind;
    out.extra_ = k_long_text;
    out.node_ = node;
    return out;
  }
  // bytearray and containers; null for an empty tuple or frozenset
  static Value node(Kind kind, const detail::Node* node) noexcept {
    Value out;
    out.kind_ = kind;
    out.node_ = node;
    return out;
  }
  static Value global(std::int64_t which, bool memoised) noexcept {
    Value out = integer(which);
    out.kind_ = k_kind_global;
    out.extra_ = memoised ? 1 : 0;
    return out;
  }

  static Kind kind(const Value& value) noexcept { return value.kind_; }
  static std::uint32_t extra(const Value& value) noexcept { return value.extra_; }
  static bool boolean_of(const Value& value) noexcept { return value.boolean_; }
  static std::int64_t integer_of(const Value& value) noexcept { return value.integer_; }
  static double floating_of(const Value& value) noexcept { return value.floating_; }
  static ComplexParts complex_of(const Value& value) noexcept { return value.complex_->parts; }
  static const void* complex_identity(const Value& value) noexcept { return value.complex_; }
  // Of a str, bytes or big_integer: the same for one that was fetched again.
  static const void* address_of(const Value& value) noexcept { return value.text_; }
  static const detail::Node* node_of(const Value& value) noexcept { return value.node_; }
  // The node as the decoder, which made it, may change it.
  static detail::Node* decoding_node(const Value& value) noexcept { return const_cast<detail::Node*>(value.node_); }
  // Of str, bytes and big_integer.
  static std::string_view text_of(const Value& value) noexcept {
    if (value.extra_ != k_long_text) return {value.text_, value.extra_};
    return {static_cast<const char*>(value.node_->data), value.node_->size};
  }
};

// tuple, list, dict, set, frozenset
constexpr bool is_container(Kind kind) noexcept { return kind >= Kind::tuple && kind <= Kind::frozenset; }

}  // namespace pf::core
