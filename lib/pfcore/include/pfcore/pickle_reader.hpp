// The one reader of pickles, safe against hostile input: a single pass, iterative, calls nothing, builds plain values
// only; every length, count, depth and byte is bounded while decoding. Protocols 0 to 5.
//
// Refused always: every opcode that could call or look up anything (GLOBAL, REDUCE, BUILD, INST, OBJ, NEWOBJ, EXT,
// PERSID, …) except the exact idioms that CPython's writers produce for set, frozenset, bytearray and complex.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include <pfcore/result.hpp>
#include <pfcore/value.hpp>

namespace pf::core {

// Bounds in force while one pickle is decoded.
struct Limits {
  std::size_t max_bytes;          // size of the pickle itself
  std::size_t max_objects;        // values built, None and small ints included
  std::size_t max_depth;          // nesting of containers
  std::size_t max_int_digits;     // decimal digits of a text int
  std::size_t max_int_bytes;      // bytes of a binary int
  std::size_t max_key_depth;      // nesting of a dict key or set element
  std::size_t max_key_nodes;      // values in one dict key or set element
  // Heap is bounded by 8 x size of the pickle + 1 MiB.

  [[nodiscard]] static Limits greeting() noexcept;                        // 64 KiB, depth 512
  [[nodiscard]] static Limits control() noexcept;                         // 16 MiB, depth 512
  [[nodiscard]] static Limits result(std::size_t max_bytes = 256u << 20) noexcept;  // depth 10,000
};

// Owns the values of one decoded pickle. Movable; its Values stay valid over a move. Destruction is iterative.
class Document {
 public:
  Document() noexcept;
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();
  [[nodiscard]] const Value& root() const noexcept;
  // Heap bytes held, the caller's input not counted.
  [[nodiscard]] std::size_t heap_bytes() const noexcept;

  struct Impl;
  explicit Document(std::unique_ptr<Impl> impl) noexcept;

 private:
  std::unique_ptr<Impl> impl_;
};

// Decodes one whole pickle. The Document copies what it needs: `pickle` may be freed afterwards.
// Errors: malformed, truncated, limit, refused; `offset` is the byte at which the offending opcode starts and the
// message names the opcode.
[[nodiscard]] Result<Document> decode_pickle(std::string_view pickle, const Limits& limits);

}  // namespace pf::core
