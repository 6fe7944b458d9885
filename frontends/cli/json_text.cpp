#include "json_text.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

namespace pf::cli {

void TextBuffer::grow(std::size_t bytes) {
  const std::size_t capacity = std::max(2 * capacity_, size_ + bytes);
  auto larger = std::make_unique_for_overwrite<char[]>(capacity);
  std::memcpy(larger.get(), bytes_.get(), size_);
  bytes_ = std::move(larger);
  capacity_ = capacity;
}

void JsonText::put(const core::Value& value, int depth) {
  if (depth > k_most_depth || text_.size() - begin_ > k_most_bytes) whole_ = false;
  if (!whole_) return;
  switch (value.kind()) {
    case core::Kind::boolean: text_ += *value.as_bool() ? std::string_view("true") : std::string_view("false"); return;
    case core::Kind::integer: put_integer(*value.as_int()); return;
    case core::Kind::floating: put_number(*value.as_float()); return;
    case core::Kind::str: put_string(*value.as_str()); return;
    case core::Kind::bytes:
    case core::Kind::bytearray: put_string(*value.as_bytes()); return;
    case core::Kind::dict: put_dict(value, depth); return;
    case core::Kind::list:
    case core::Kind::tuple:
    case core::Kind::set:
    case core::Kind::frozenset: put_list(value, depth); return;
    default: text_ += "null";
  }
}

// What the library is for.
void JsonText::put_escaped(std::string_view text) {
  text_ += nlohmann::json(std::string(text)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void JsonText::put_integer(std::int64_t number) {
  std::array<char, 24> digits;
  const char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  text_ += std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

void JsonText::put_number(double number) {
  if (!std::isfinite(number)) {
    text_ += "null";
    return;
  }
  const auto bits = std::bit_cast<std::uint64_t>(number);
  for (const Number& known : numbers_) {
    if (known.size == 0 || known.bits != bits) continue;
    text_ += std::string_view(known.digits.data(), known.size);
    return;
  }
  Number& made = numbers_[next_number_++ % numbers_.size()];
  made.bits = bits;
  char* end = std::to_chars(made.digits.data(), made.digits.data() + k_most_digits, number).ptr;
  // Only a whole number may lack both point and exponent.
  const bool is_bare = number == std::trunc(number) && std::none_of(made.digits.data(), end, [](char c) { return c == '.' || c == 'e'; });
  if (is_bare) end = std::copy_n(".0", 2, end);
  made.size = static_cast<std::uint8_t>(end - made.digits.data());
  text_ += std::string_view(made.digits.data(), made.size);
}

void JsonText::put_list(const core::Value& list, int depth) {
  text_ += '[';
  bool first = true;
  for (const core::Value& item : list.items()) {
    if (!first) text_ += ',';
    first = false;
    put(item, depth + 1);
  }
  text_ += ']';
}

void JsonText::put_dict(const core::Value& dict, int depth) {
  text_ += '{';
  for (const core::DictEntry& entry : dict.entries()) {
    const auto key = entry.key.as_str();
    if (!key || !whole_) continue;
    put_key(*key);
    put(entry.value, depth + 1);
  }
  text_ += '}';
}

}  // namespace pf::cli
