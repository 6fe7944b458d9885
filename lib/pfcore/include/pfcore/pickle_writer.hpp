// The one writer of pickles. It streams: calls append to one buffer, so a message is encoded without a tree.
//
// Protocol 4 by default (framed, strings of 2 to 1024 bytes memoised), protocol 2 for old readers. Equal calls give
// equal bytes. pickle.loads of CPython >= 3.8 reads every output (>= 2.7 for protocol 2), and so does decode_pickle, in
// which protocol 2's sets, bytes, bytearrays and complex numbers need Limits::python2_names.
// Source of the format: CPython's Lib/pickletools.py.
//
// Not thread-safe. Fork safety: plain memory.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <pfcore/export.hpp>
#include <pfcore/value.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

class PickleWriter {
 public:
  // Off for what hardly names a text twice: each is written in full, and none is looked up.
  enum class TextMemo : bool { off, on };

  // 2, 4 or 5; what lies between or beyond is written as the next lower of them.
  explicit PickleWriter(int protocol = 4, TextMemo memo = TextMemo::on);

  void none();
  void boolean(bool value);
  void integer(std::int64_t value);
  void uinteger(std::uint64_t value);
  void floating(double value);
  void str(std::string_view utf8);     // valid UTF-8, lone surrogates passed; the caller answers for it
  void bytes(std::string_view data);

  // Containers nest; every begin has its end. A dict takes key, value, key, value, …
  void begin_tuple();
  void end_tuple();
  void begin_list();
  void end_list();
  void begin_dict();
  void end_dict();

  // Any Value, iteratively; shared and cyclic containers keep their identity within the call. The Value's Document may
  // go afterwards.
  void value(const Value& value);

  // key and value of a dict in one call.
  void field(std::string_view key, std::string_view text) { str(key); str(text); }
  void field(std::string_view key, const char* text) { str(key); str(text); }
  void field(std::string_view key, const std::string& text) { str(key); str(text); }
  void field(std::string_view key, std::int64_t number) { str(key); integer(number); }
  void field(std::string_view key, std::uint64_t number) { str(key); uinteger(number); }
  void field(std::string_view key, int number) { str(key); integer(number); }
  void field(std::string_view key, std::uint32_t number) { str(key); uinteger(number); }
  void field(std::string_view key, double number) { str(key); floating(number); }
  void field(std::string_view key, bool flag) { str(key); boolean(flag); }
  void field_bytes(std::string_view key, std::string_view data) { str(key); bytes(data); }

  // The finished pickle, STOP included. The writer is empty afterwards and can be used again.
  [[nodiscard]] std::string finish();

 private:
  friend class ValueEncoder;  // src/value_encoder.cpp: value()

  // A container between its begin and its end.
  struct Open {
    char close;             // the opcode that takes what stands after the mark
    std::uint32_t left;     // values until the batch is full
    std::size_t mark_at;    // offset of the mark
  };
  // A memoised text; its bytes are in the buffer.
  struct MemoText {
    std::uint32_t at;
    std::uint32_t size;
    std::uint32_t memo_index;
  };
  // Of the index of memoised texts, which is searched by hash.
  struct TextSlot {
    std::uint32_t hash;
    std::uint32_t text_plus_one;  // 0: free
  };
  // What a pickle has to name: the classes whose values have no opcode of their own.
  enum class Name : std::uint8_t { set, frozenset, bytearray, complex, bytes, encode };
  static constexpr std::size_t k_names = 6;
  static constexpr std::size_t k_memo_least_bytes = 2;
  static constexpr std::size_t k_memo_most_bytes = 1024;

  static constexpr std::uint32_t k_no_memo = 0xFFFFFFFF;

  char* extend(std::size_t bytes) {
    if (bytes > capacity_ - size_) grow(bytes);
    char* const at = buffer_.get() + size_;
    size_ += bytes;
    return at;
  }
  void put(char byte) { *extend(1) = byte; }
  void put_number(char opcode, std::uint64_t number, std::size_t bytes) {
    static_assert(std::endian::native == std::endian::little);
    char* const at = extend(1 + bytes);
    at[0] = opcode;
    std::memcpy(at + 1, &number, bytes);
  }
  void grow(std::size_t bytes);
  std::uint32_t put_text(std::string_view utf8);  // its place in the memo, or k_no_memo
  void put_bytes(std::string_view data);
  void put_counted(std::array<char, 3> opcodes, std::string_view data);
  void put_raw(std::string_view data);
  void put_integer(std::int64_t value);
  void put_twos_complement(std::string_view little_endian);
  void put_floating(double value);
  void put_name(Name name);
  void put_get(std::uint32_t index);
  std::uint32_t memoize();
  TextSlot* find_text(std::string_view text, std::uint32_t hash);
  void grow_text_slots();
  void begin(std::string_view opcodes, char close);
  void end();
  void value_done();
  void start();

  int protocol_;
  TextMemo memo_;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;              // what has been written
  std::vector<Open> open_;
  std::vector<MemoText> texts_;
  std::vector<TextSlot> text_slots_;  // open addressing
  std::uint32_t memo_size_ = 0;
  std::array<std::uint32_t, k_names> names_{};  // memo index + 1
};

}  // namespace pf::core
PF_CORE_API_END
