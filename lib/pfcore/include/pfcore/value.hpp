// Plain values as they travel in frames: None, bool, int, float, complex, str, bytes, bytearray, tuple, list, dict,
// set, frozenset. A Value is a small, trivially copyable view; the Document that made it owns all memory.
//
// Thread safety: reading one Document from several threads is safe. Fork safety: plain memory.
// Containers may be shared and may form cycles (legal pickle output); walk them iteratively and mind that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <pfcore/export.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

enum class Kind : std::uint8_t {
  none, boolean, integer, big_integer, floating, complex, str, bytes, bytearray, tuple, list, dict, set, frozenset,
};

struct DictEntry;
namespace detail {
struct Node;
struct ComplexNode;
}  // namespace detail

struct ComplexParts {
  double real;
  double imaginary;
};

class Value {
 public:
  Value() noexcept : kind_(Kind::none), extra_(0), integer_(0) {}  // None

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] bool is_none() const noexcept { return kind_ == Kind::none; }

  // Each as_… gives nullopt when the value is of another kind. as_int takes bool for no int: True is not 1 here.
  [[nodiscard]] std::optional<bool> as_bool() const noexcept;
  [[nodiscard]] std::optional<std::int64_t> as_int() const noexcept;
  // An int that does not fit in 64 bits: two's complement, little-endian, of the least number of bytes, which is how
  // the LONG1 and LONG4 opcodes carry it.
  [[nodiscard]] std::optional<std::string_view> as_big_int() const noexcept;
  // A float, or an int of 64 bits converted.
  [[nodiscard]] std::optional<double> as_number() const noexcept;
  [[nodiscard]] std::optional<double> as_float() const noexcept;
  [[nodiscard]] std::optional<ComplexParts> as_complex() const noexcept;
  // UTF-8, in which lone surrogates are encoded as by Python's "surrogatepass".
  [[nodiscard]] std::optional<std::string_view> as_str() const noexcept;
  // bytes and bytearray.
  [[nodiscard]] std::optional<std::string_view> as_bytes() const noexcept;

  // Elements of a tuple, list, set or frozenset; empty for any other kind. Valid as long as the Document.
  [[nodiscard]] std::span<const Value> items() const noexcept;
  // Entries of a dict in insertion order; empty for any other kind.
  [[nodiscard]] std::span<const DictEntry> entries() const noexcept;
  // The value under a str key of a dict; nullopt when it is no dict or has no such key.
  [[nodiscard]] std::optional<Value> find(std::string_view key) const noexcept;

  // What `is` compares: equal for one container met twice, null for whatever has no identity of its own (scalars, str,
  // bytes, the empty tuple, the empty frozenset).
  [[nodiscard]] const void* identity() const noexcept;
  // False when identity() cannot be met a second time in its Document, so that a walker need not remember it.
  [[nodiscard]] bool may_be_shared() const noexcept;

 private:
  friend struct ValueAccess;  // src/value_nodes.hpp

  Kind kind_;
  std::uint32_t extra_;  // length of a text, serial number of a NaN
  union {
    std::int64_t integer_;
    double floating_;
    bool boolean_;
    const char* text_;
    const detail::Node* node_;
    const detail::ComplexNode* complex_;
  };
};

struct DictEntry {
  Value key;
  Value value;
};

}  // namespace pf::core
PF_CORE_API_END
