#include "json_text.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>

namespace pf::ctl::json {
namespace {

std::string escape(unsigned code) {
  std::array<char, 8> text;
  std::snprintf(text.data(), text.size(), "\\u%04x", code & 0xffffu);
  return text.data();
}

// Bytes of the valid UTF-8 sequence at the front; 0 when there is none (RFC 3629: no surrogates, nothing overlong).
std::size_t sequence_length(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return tail(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f)) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) return 0;
    return tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

// One escape after its backslash; advances `text`. Only what quoted() writes.
std::string unescape(std::string_view& text) {
  const char kind = text.front();
  text.remove_prefix(1);
  if (kind != 'u') return std::string(1, kind);
  unsigned code = 0;
  if (text.size() < 4 || std::from_chars(text.data(), text.data() + 4, code, 16).ptr != text.data() + 4) return {};
  text.remove_prefix(4);
  return std::string(1, static_cast<char>(static_cast<unsigned char>(code & 0xffu)));
}

}  // namespace

std::string quoted(std::string_view bytes) {
  std::string out = "\"";
  while (!bytes.empty()) {
    const std::size_t length = sequence_length(bytes);
    const auto first = static_cast<unsigned char>(bytes.front());
    if (length == 0) {
      out += escape(0xdc00u + first);
    } else if (first == '"' || first == '\\') {
      out += '\\';
      out += bytes.front();
    } else if (first < 0x20 || first == 0x7f) {
      out += escape(first);
    } else {
      out += bytes.substr(0, length);
    }
    bytes.remove_prefix(length == 0 ? 1 : length);
  }
  return out += '"';
}

std::string text_field(std::string_view note, std::string_view key) {
  const std::string head = quoted(key) + ": \"";
  const std::size_t found = note.find(head);
  if (found == note.npos) return {};
  note.remove_prefix(found + head.size());
  std::string out;
  while (!note.empty() && note.front() != '"') {
    const char c = note.front();
    note.remove_prefix(1);
    if (c != '\\') out += c;
    else if (!note.empty()) out += unescape(note);
  }
  return note.empty() ? std::string() : out;
}

}  // namespace pf::ctl::json
