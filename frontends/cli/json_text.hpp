// Values as JSON text, without a tree of them: a run has an event an item.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include <pfcore/value.hpp>

namespace pf::cli {

// A text that grows at its end; what is written to is not filled with zeros first, as a std::string's would be.
class TextBuffer {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::string_view view() const noexcept { return {bytes_.get(), size_}; }
  [[nodiscard]] char back() const noexcept { return bytes_[size_ - 1]; }

  TextBuffer& operator+=(char c) { return *extend(1) = c, *this; }
  // Not of its own bytes: see repeat().
  TextBuffer& operator+=(std::string_view text) { return std::copy(text.begin(), text.end(), extend(text.size())), *this; }
  // Once more what stands from `begin` to `end`.
  void repeat(std::size_t begin, std::size_t end) {
    char* const to = extend(end - begin);
    std::memcpy(to, bytes_.get() + begin, end - begin);
  }
  // So many bytes at the end, for the caller to fill.
  char* extend(std::size_t bytes) {
    if (bytes > capacity_ - size_) grow(bytes);
    char* const at = bytes_.get() + size_;
    size_ += bytes;
    return at;
  }
  void truncate(std::size_t size) noexcept { size_ = size; }

 private:
  void grow(std::size_t bytes);

  static constexpr std::size_t k_first = 4u << 10;
  std::unique_ptr<char[]> bytes_ = std::make_unique_for_overwrite<char[]>(k_first);
  std::size_t capacity_ = k_first;
  std::size_t size_ = 0;
};

class JsonText {
 public:
  // Sticks to both bounds: a suite's own values may be nested without end, or name one text a million times.
  static constexpr int k_most_depth = 600;
  static constexpr std::size_t k_most_bytes = std::size_t{1} << 30;

  // Writes at the end of `text`.
  explicit JsonText(TextBuffer& text) : text_(text), begin_(text.size()) {}

  // False when a bound was reached: what was put since is not there.
  [[nodiscard]] bool whole() const noexcept { return whole_; }
  [[nodiscard]] TextBuffer& text() noexcept { return text_; }

  // Bytes that are not UTF-8 are replaced.
  void put_string(std::string_view text) {
    if (!is_plain(text)) return put_escaped(text);
    char* const out = text_.extend(text.size() + 2);
    out[0] = '"';
    *std::copy(text.begin(), text.end(), out + 1) = '"';
  }
  void put_key(std::string_view key) {
    if (text_.back() != '{') text_ += ',';
    put_string(key);
    text_ += ':';
  }
  // Bytes are text; what JSON has no word for is null; keys that are no text are left out.
  void put(const core::Value& value, int depth = 0);

  // Takes back what was put since the text had `size` bytes, and that it was not whole.
  void cut(std::size_t size) noexcept {
    text_.truncate(size);
    whole_ = true;
  }

 private:
  // Stands in JSON as it is. Without an early end, so that many characters are looked at at once.
  static bool is_plain(std::string_view text) noexcept {
    bool plain = true;
    for (const char c : text) plain &= c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
    return plain;
  }
  void put_escaped(std::string_view text);
  void put_integer(std::int64_t number);
  void put_number(double number);
  void put_list(const core::Value& list, int depth);
  void put_dict(const core::Value& dict, int depth);

  // Numbers as they were written last: a phase's times are told again by pytest's report of it.
  static constexpr std::size_t k_most_digits = 32;
  struct Number {
    std::uint64_t bits;
    std::uint8_t size = 0;   // 0: none yet
    std::array<char, k_most_digits + 2> digits;
  };

  TextBuffer& text_;
  std::size_t begin_;
  bool whole_ = true;
  std::size_t next_number_ = 0;
  std::array<Number, 10> numbers_;
};

}  // namespace pf::cli
