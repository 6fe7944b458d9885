// Pickles in the tests of the codec: what becomes of one, in a line.
#pragma once

#include <string>
#include <string_view>

#include <pfcore/canon.hpp>
#include <pfcore/pickle_reader.hpp>
#include <pfcore/pickle_writer.hpp>

namespace pf::test {

using namespace std::string_view_literals;

// The canonical text of what a pickle holds, or "<code>@<offset>".
inline std::string decoded(std::string_view pickle, const core::Limits& limits = core::Limits::result()) {
  core::Result<core::Document> document = core::decode_pickle(pickle, limits);
  if (document) return core::canonical_text(document->root());
  return std::string(core::to_string(document.error().code)) + "@" + std::to_string(document.error().offset);
}

// The whole message of a refusal; empty when there was none.
inline std::string refusal(std::string_view pickle, const core::Limits& limits = core::Limits::result()) {
  core::Result<core::Document> document = core::decode_pickle(pickle, limits);
  return document ? std::string() : document.error().message;
}

inline std::string encoded(const core::Value& value, int protocol = 4) {
  core::PickleWriter writer(protocol);
  writer.value(value);
  return writer.finish();
}

inline std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

// An unframed pickle of all kinds of values, with a memo, a shared tuple and a cycle.
inline constexpr std::string_view k_all_kinds =
    "\x80\x05]q\0(NI01\n\x89K\x07M\x01\x02J\xff\xff\xff\xffL12345678901234567890\n\x8a\x02\0\x80"
    "G@\x09\x21\xfb\x54\x44\x2d\x18"
    "F-1.5\n\x8c\x03"
    "abcX\x02\0\0\0\xc3\xa9"
    "S'a\\n'\nVx\\u20ac\nC\x02\0\xff"
    "\x96\x03\0\0\0\0\0\0\0\x01\x02\x03)h\0\x85(K\x01K\x02tq\x01h\x01(K\x01l"
    "}(\x8c\x01kK\x01\x8c\x01lh\0u\x8f(K\x01K\x02\x90(K\x03\x91"
    "cbuiltins\ncomplex\nG?\xf0\0\0\0\0\0\0G\0\0\0\0\0\0\0\0\x86Re."sv;

}  // namespace pf::test
