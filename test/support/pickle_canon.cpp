// What pfcore makes of pickles, for tests in other languages.
//
//   pickle_canon [--greeting | --control] [--python2-names] [--wire] [--encode PROTOCOL]
//
// Input: records of an 8-byte little-endian length and that many bytes. Output, one line a record, flushed:
//   ok <microseconds> <heap bytes of the Document> <peak heap bytes> <canonical text>
//   no <microseconds> 0 <peak heap bytes> <error code> <offset> <message>
// A canonical text is cut off at 64 MiB. With --encode the line of an accepted pickle has, instead of the text, the hexadecimal digits of what PickleWriter
// makes of the value. With --wire a record is a byte stream of which the first frame is decoded.
// Peak heap counts what decoding alone asks for, over what the program held before.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <string_view>

#include <malloc.h>
#include <sys/mman.h>

#include <pfcore/canon.hpp>
#include <pfcore/frame.hpp>
#include <pfcore/pickle_reader.hpp>
#include <pfcore/pickle_writer.hpp>

namespace {

std::size_t g_held = 0;
std::size_t g_peak = 0;

void count(std::size_t more) noexcept {
  g_held += more;
  g_peak = std::max(g_peak, g_held);
}

}  // namespace

// The linker leads pfcore's calls here (-Wl,--wrap).
extern "C" {
void* __real_malloc(std::size_t bytes);
void* __real_realloc(void* old, std::size_t bytes);
void __real_free(void* place);
void* __real_mmap(void* at, std::size_t bytes, int protection, int flags, int fd, off_t offset);
void* __real_mremap(void* old, std::size_t old_bytes, std::size_t bytes, int flags, ...);
int __real_munmap(void* place, std::size_t bytes);

void* __wrap_malloc(std::size_t bytes) {
  void* const place = __real_malloc(bytes);
  count(malloc_usable_size(place));
  return place;
}
void* __wrap_realloc(void* old, std::size_t bytes) {
  // Both may be alive for a moment.
  const std::size_t held = malloc_usable_size(old);
  void* const place = __real_realloc(old, bytes);
  count(malloc_usable_size(place));
  g_held -= held;
  return place;
}
void __wrap_free(void* place) {
  g_held -= malloc_usable_size(place);
  __real_free(place);
}
void* __wrap_mmap(void* at, std::size_t bytes, int protection, int flags, int fd, off_t offset) {
  count(bytes);
  return __real_mmap(at, bytes, protection, flags, fd, offset);
}
void* __wrap_mremap(void* old, std::size_t old_bytes, std::size_t bytes, int flags) {
  g_held -= old_bytes;
  count(bytes);
  return __real_mremap(old, old_bytes, bytes, flags);
}
int __wrap_munmap(void* place, std::size_t bytes) {
  g_held -= bytes;
  return __real_munmap(place, bytes);
}
}

void* operator new(std::size_t bytes) {
  void* const place = __wrap_malloc(bytes == 0 ? 1 : bytes);
  if (place == nullptr) throw std::bad_alloc();
  return place;
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return __wrap_malloc(bytes == 0 ? 1 : bytes); }
void operator delete(void* place) noexcept { __wrap_free(place); }
void operator delete(void* place, std::size_t) noexcept { __wrap_free(place); }

namespace {

using namespace pf::core;
using Clock = std::chrono::steady_clock;

constexpr std::size_t k_longest_text = 64u << 20;

struct Options {
  Limits limits = Limits::result();
  bool wire = false;
  int protocol = 0;   // 0: print the canonical text
};

std::string hex(std::string_view bytes) {
  static constexpr std::string_view k_digits = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const char byte : bytes) {
    out += k_digits[static_cast<std::uint8_t>(byte) >> 4];
    out += k_digits[static_cast<std::uint8_t>(byte) & 0xF];
  }
  return out;
}

bool read_record(std::string& record) {
  std::uint64_t length = 0;
  if (std::fread(&length, sizeof length, 1, stdin) != 1) return false;
  record.resize(length);
  return std::fread(record.data(), 1, length, stdin) == length;
}

Result<Document> decode(std::string_view record, const Options& options) {
  if (!options.wire) return decode_pickle(record, options.limits);
  FrameReader reader(options.limits.max_bytes);
  reader.feed(record);
  Result<std::optional<std::string_view>> payload = reader.next();
  if (!payload) return std::move(payload).error();
  if (!*payload) return Error{ErrorCode::truncated, "read a frame: the stream ends inside it"};
  return decode_pickle(**payload, options.limits);
}

void answer(const std::string& record, const Options& options) {
  const std::size_t held_before = g_held;
  g_peak = g_held;
  const auto start = Clock::now();
  Result<Document> document = decode(record, options);
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count();
  const std::size_t peak = g_peak - held_before;
  std::string line;
  if (!document) {
    const Error& error = document.error();
    line = "no " + std::to_string(took) + " 0 " + std::to_string(peak) + " " + std::string(to_string(error.code)) + " " +
           std::to_string(error.offset) + " " + error.message;
  } else {
    line = "ok " + std::to_string(took) + " " + std::to_string(document->heap_bytes()) + " " + std::to_string(peak) + " ";
    if (options.protocol == 0) {
      line += canonical_text(document->root(), k_longest_text);
    } else {
      PickleWriter writer(options.protocol);
      writer.value(document->root());
      line += hex(writer.finish());
    }
  }
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
}

bool parse(int argc, char** argv, Options& options) {
  bool python2_names = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--greeting") options.limits = Limits::greeting();
    else if (argument == "--control") options.limits = Limits::control();
    else if (argument == "--python2-names") python2_names = true;
    else if (argument == "--wire") options.wire = true;
    else if (argument == "--encode" && i + 1 < argc) options.protocol = std::atoi(argv[++i]);
    else return false;
  }
  options.limits.python2_names = python2_names;
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::fputs("usage: pickle_canon [--greeting | --control] [--python2-names] [--wire] [--encode PROTOCOL] < records\n", stderr);
    return 2;
  }
  std::string record;
  while (read_record(record)) answer(record, options);
  return 0;
}
