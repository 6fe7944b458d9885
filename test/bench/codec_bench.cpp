// The timing loop of bench_codec.py: it answers records on stdin, one line each.
//
// Record: 'd' or 'b' or 'e', an 8-byte little-endian count of repetitions, an 8-byte length, that many bytes of pickle.
// Answer: nanoseconds that decoding ('d': and destroying; 'b': with the texts left in the pickle) or encoding ('e': the value, with PickleWriter::value) took in
// all, and the size of what was encoded.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include <malloc.h>

#include <pfcore/pickle_reader.hpp>
#include <pfcore/pickle_writer.hpp>

namespace {

using namespace pf::core;
using Clock = std::chrono::steady_clock;

constexpr int k_kept_bytes = 64 << 20;

bool read_number(std::uint64_t& number) { return std::fread(&number, sizeof number, 1, stdin) == 1; }

bool answer(int what) {
  std::uint64_t repeat = 0;
  std::uint64_t length = 0;
  if (!read_number(repeat) || !read_number(length)) return false;
  std::string pickle(length, '\0');
  if (std::fread(pickle.data(), 1, length, stdin) != length) return false;
  const Limits limits = Limits::result();
  Result<Document> document = decode_pickle(pickle, limits);
  if (!document) {
    std::fprintf(stderr, "failed to %s\n", document.error().message.c_str());
    return false;
  }
  PickleWriter writer;
  std::size_t size = 0;
  const Texts texts = what == 'b' ? Texts::borrowed : Texts::copied;
  const auto start = Clock::now();
  for (std::uint64_t i = 0; i < repeat; ++i) {
    if (what != 'e') {
      size += decode_pickle(pickle, limits, texts).value().heap_bytes();
    } else {
      writer.value(document->root());
      size += writer.finish().size();
    }
  }
  const auto took = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start);
  std::printf("%lld %zu\n", static_cast<long long>(took.count()), size / repeat);
  std::fflush(stdout);
  return true;
}

}  // namespace

int main() {
  // CPython keeps the memory of the values that it drops. So does this, lest the kernel's work be measured.
  mallopt(M_TRIM_THRESHOLD, k_kept_bytes);
  mallopt(M_MMAP_THRESHOLD, k_kept_bytes);
  for (int what = std::getchar(); what != EOF; what = std::getchar()) {
    if (!answer(what)) return 1;
  }
  return 0;
}
