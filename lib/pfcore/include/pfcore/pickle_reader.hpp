// The one reader of pickles, safe against hostile input: a single pass, iterative, calls nothing, builds plain values
// only; every length, count, depth and byte is bounded while decoding. Protocols 0 to 5.
//
// Refused always: every opcode that could call or look up anything (GLOBAL, REDUCE, BUILD, INST, OBJ, NEWOBJ, EXT,
// PERSID, …) except the exact idioms that CPython's writers produce for set, frozenset, bytearray and complex; bytes
// after STOP, values left over, open marks; a frame in a frame or an argument across its end; text numbers that two of
// CPython's readers take for different values.
//
// Thread safety: calls are independent. Fork safety: plain memory.
// Source of the format: CPython's Lib/pickletools.py; of the rules: the judged frames in test/data/pickle_frames.md.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include <pfcore/export.hpp>
#include <pfcore/result.hpp>
#include <pfcore/value.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// Bounds in force while one pickle is decoded.
//
// Heap is bounded besides, by 8 bytes for each byte of the pickle read so far + 1 MiB: the work stack, the memo and the
// hash indexes count. (A Value takes 16 bytes, so that a list of more than 130,000 one-byte values is over the bound.)
// Comparing keys is bounded by 3 steps for each byte + half a million: keys made to collide are refused.
struct Limits {
  std::size_t max_bytes;          // size of the pickle itself; lengths are 32 bits wide, so 4 GiB - 2 at most
  std::size_t max_objects;        // values built, None and small ints included; memo indices
  std::size_t max_depth;          // nesting of containers
  std::size_t max_int_digits;     // decimal digits of a text int
  std::size_t max_int_bytes;      // bytes of a binary int
  std::size_t max_key_depth;      // nesting of containers in a dict key or set element; 64 at most
  std::size_t max_key_nodes;      // values in one dict key or set element, itself included
  // Takes also what protocols 0 to 2 spell by Python 2's names: set, frozenset, bytearray and complex as
  // __builtin__.<name>, bytes as _codecs.encode of a str, empty bytes as a call of bytes. Off for every role: no peer of
  // pfast writes them.
  bool python2_names = false;

  // The roles. All: 1,000,000 objects, ints of 4,300 digits or 64 KiB, keys 8 deep and of 64 values.
  [[nodiscard]] static Limits greeting() noexcept;                        // 64 KiB, depth 512
  [[nodiscard]] static Limits control() noexcept;                         // 16 MiB, depth 512
  [[nodiscard]] static Limits result(std::size_t max_bytes = 256u << 20) noexcept;  // depth 10,000
};

// Owns the values of one decoded pickle. Movable; its Values stay valid over a move. Destruction is iterative: it gives
// a few blocks of memory back.
class Document {
 public:
  Document() noexcept;  // None
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

// Where the bytes of str, bytes and text ints live.
enum class Texts {
  copied,      // in the Document: `pickle` may be freed afterwards
  borrowed,    // in `pickle`, which must outlive the Document unchanged; no copy of a frame that is used at once
};

// Decodes one whole pickle.
// Errors: malformed, truncated, limit, refused; `offset` is the byte at which the offending opcode starts and the
// message names the opcode: "decode the pickle: APPEND at byte 12: the target is of another type". Throws std::bad_alloc
// when the system has no memory within the bound.
[[nodiscard]] Result<Document> decode_pickle(std::string_view pickle, const Limits& limits, Texts texts = Texts::copied);

}  // namespace pf::core
PF_CORE_API_END
