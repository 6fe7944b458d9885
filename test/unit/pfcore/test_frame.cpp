#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <pfcore/frame.hpp>

using namespace pf::core;
using namespace std::string_view_literals;
using namespace std::string_literals;

namespace {

std::string framed(std::string_view payload) { return encode_frame(payload).value(); }

// Everything that the reader has; an error is "!<code>".
void take_all(FrameReader& reader, std::vector<std::string>& into) {
  for (;;) {
    Result<std::optional<std::string_view>> next = reader.next();
    if (!next) {
      into.push_back("!" + std::string(to_string(next.error().code)));
      return;
    }
    if (!*next) return;
    into.emplace_back(**next);
  }
}

// The payloads of a stream that comes in pieces of the sizes that `size_of` gives.
template <typename SizeOf>
std::vector<std::string> read_in_pieces(std::string_view stream, SizeOf size_of) {
  FrameReader reader;
  std::vector<std::string> payloads;
  while (!stream.empty()) {
    const std::size_t size = std::min(stream.size(), size_of());
    reader.feed(stream.substr(0, size));
    stream.remove_prefix(size);
    take_all(reader, payloads);
  }
  return payloads;
}

const std::vector<std::string> k_payloads{"first", "", std::string(300, 'x'), "\0\0\0\x05"s, "last"};

std::string stream_of(const std::vector<std::string>& payloads) {
  std::string stream;
  for (const std::string& payload : payloads) stream += framed(payload);
  return stream;
}

}  // namespace

TEST_SUITE("pfcore/frame") {
  TEST_CASE("a header is the length, big-endian") {
    const FrameHeader header = frame_header(0x01020304);
    CHECK(std::string_view(header.data(), header.size()) == "\x01\x02\x03\x04"sv);
    CHECK(framed("abc") == "\0\0\0\x03"
                           "abc"s);
    CHECK(framed("") == "\0\0\0\0"s);
  }

  TEST_CASE("a payload may have 256 MiB and no byte more") {
    CHECK(k_frame_cap_bytes == 268'435'456);
    CHECK(check_frame_length(k_frame_cap_bytes).ok());
    Status over = check_frame_length(k_frame_cap_bytes + 1);
    REQUIRE_FALSE(over);
    CHECK(over.error().code == ErrorCode::limit);
    CHECK(over.error().message == "send a frame: 268435457 bytes of payload, 268435456 are allowed");
    // The bytes are never looked at.
    const std::string_view huge("x", k_frame_cap_bytes + 1);
    Result<std::string> frame = encode_frame(huge);
    REQUIRE_FALSE(frame);
    CHECK(frame.error().code == ErrorCode::limit);
  }

  TEST_CASE("a stream in pieces of any one size gives the same payloads") {
    const std::string stream = stream_of(k_payloads);
    for (std::size_t size = 1; size <= stream.size(); ++size) {
      CAPTURE(size);
      CHECK(read_in_pieces(stream, [&] { return size; }) == k_payloads);
    }
  }

  TEST_CASE("a stream cut at any two places gives the same payloads") {
    const std::vector<std::string> payloads{"ab", "", "cde"};
    const std::string stream = stream_of(payloads);
    for (std::size_t first = 1; first < stream.size(); ++first) {
      for (std::size_t second = first; second < stream.size(); ++second) {
        std::vector<std::size_t> sizes{stream.size(), second - first, first};
        CAPTURE(first);
        CAPTURE(second);
        CHECK(read_in_pieces(stream, [&] {
                const std::size_t size = sizes.back();
                sizes.pop_back();
                return size;
              }) == payloads);
      }
    }
  }

  TEST_CASE("a stream in pieces of changing sizes gives the same payloads") {
    std::uint32_t state = 1;
    for (int round = 0; round < 200; ++round) {
      CAPTURE(round);
      CHECK(read_in_pieces(stream_of(k_payloads), [&] {
              state = state * 1664525 + 1013904223;
              return std::size_t{1} + (state >> 24) % 40;
            }) == k_payloads);
    }
  }

  TEST_CASE("a stream that ends anywhere gives the frames that are whole, and no error") {
    const std::string stream = stream_of(k_payloads);
    for (std::size_t size = 0; size < stream.size(); ++size) {
      FrameReader reader;
      reader.feed(std::string_view(stream).substr(0, size));
      std::vector<std::string> payloads;
      take_all(reader, payloads);
      std::size_t end = 0;
      std::size_t whole = 0;
      while (end + 4 + k_payloads[whole].size() <= size) end += 4 + k_payloads[whole++].size();
      CAPTURE(size);
      CHECK(payloads == std::vector(k_payloads.begin(), k_payloads.begin() + static_cast<std::ptrdiff_t>(whole)));
      CHECK(reader.pending_bytes() == size - end);
      CHECK(reader.missing_bytes() > 0);
    }
  }

  TEST_CASE("missing_bytes never reaches into the next frame") {
    std::string_view stream = "\0\0\0\x02"
                              "ab\0\0\0\0\0\0\0\x01z"sv;
    FrameReader reader;
    std::vector<std::string> payloads;
    std::vector<std::size_t> steps;
    while (!stream.empty()) {
      const std::size_t step = reader.missing_bytes();
      steps.push_back(step);
      reader.feed(stream.substr(0, step));
      stream.remove_prefix(step);
      take_all(reader, payloads);
    }
    CHECK(steps == std::vector<std::size_t>{4, 2, 4, 4, 1});
    CHECK(payloads == std::vector<std::string>{"ab", "", "z"});
  }

  TEST_CASE("a length over the bound ends the stream for good") {
    for (const std::string_view header : {"\x00\x00\x00\x0b"sv, "\x10\x00\x00\x01"sv, "\xff\xff\xff\xff"sv, "HTTP"sv}) {
      FrameReader reader(10);
      reader.feed(header);
      for (int call = 0; call < 3; ++call) {
        Result<std::optional<std::string_view>> next = reader.next();
        REQUIRE_FALSE(next);
        CHECK(next.error().code == ErrorCode::limit);
        reader.feed("and what comes after it"sv);
      }
    }
  }

  TEST_CASE("frames before a corrupt length are read") {
    FrameReader reader;
    reader.feed(framed("good") + "\xff\xff\xff\xff"s + framed("lost"));
    std::vector<std::string> payloads;
    take_all(reader, payloads);
    CHECK(payloads == std::vector<std::string>{"good", "!limit"});
  }

  TEST_CASE("the bound itself is allowed") {
    FrameReader reader(10);
    reader.feed(framed("0123456789"));
    CHECK(**reader.next() == "0123456789");
    FrameReader widest;
    widest.feed("\x10\x00\x00\x00"sv);
    CHECK(widest.next().value() == std::nullopt);
    CHECK(widest.missing_bytes() == k_frame_cap_bytes);
    FrameReader over;
    over.feed("\x10\x00\x00\x01"sv);
    Result<std::optional<std::string_view>> next = over.next();
    REQUIRE_FALSE(next);
    CHECK(next.error().message == "read a frame: it announces 268435457 bytes, 268435456 are allowed");
  }

  TEST_CASE("another bound holds for frames that have not begun yet") {
    FrameReader reader(10);
    reader.feed("\0\0\0\x0a"
                "01234"sv);
    CHECK(reader.next().value() == std::nullopt);
    reader.set_limit(4);
    reader.feed("56789"sv);
    CHECK(**reader.next() == "0123456789");
    reader.feed(framed("01234"));
    CHECK_FALSE(reader.next().ok());
    FrameReader greeted(4);
    greeted.feed(framed("hi") + framed("a longer one"));
    CHECK(**greeted.next() == "hi");
    greeted.set_limit(100);
    CHECK(**greeted.next() == "a longer one");
  }

  TEST_CASE("a large frame leaves nothing behind") {
    FrameReader reader;
    const std::string large(1 << 20, 'l');
    reader.feed(framed(large) + framed("small"));
    CHECK(**reader.next() == large);
    CHECK(**reader.next() == "small");
    reader.feed({});
    CHECK(reader.pending_bytes() == 0);
    CHECK(reader.next().value() == std::nullopt);
  }
}
