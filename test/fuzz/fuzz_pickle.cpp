// decode_pickle: bounded, and what it accepts is a value that PickleWriter writes and decode_pickle reads again as the
// same value.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <pfcore/canon.hpp>
#include <pfcore/pickle_reader.hpp>
#include <pfcore/pickle_writer.hpp>

#include "property.hpp"

namespace {

using namespace pf::core;

constexpr std::size_t k_most_text_bytes = 1u << 20;
constexpr std::size_t k_most_visited = 10'000;
constexpr std::size_t k_document_bytes = 256;  // of the Document itself

std::string text_of(const Document& document) { return canonical_text(document.root(), k_most_text_bytes); }

std::string encoded(const Document& document, int protocol) {
  PickleWriter writer(protocol);
  writer.value(document.root());
  return writer.finish();
}

// What a writer makes of a value may nest in another order, and name what Python 2 called otherwise.
Limits generous() {
  Limits limits = Limits::result();
  limits.max_depth = 100'000;
  limits.python2_names = true;
  return limits;
}

void check_rewritten(const Document& document, int protocol, const std::string& text) {
  const std::string pickle = encoded(document, protocol);
  Result<Document> again = decode_pickle(pickle, generous());
  PF_PROPERTY(again.ok());
  PF_PROPERTY(text_of(*again) == text);
  PF_PROPERTY(encoded(document, protocol) == pickle);
}

// Every str key of every dict is found, with its value.
void check_keys(const Value& root) {
  std::vector<Value> open{root};
  for (std::size_t visited = 0; !open.empty() && visited < k_most_visited; ++visited) {
    const Value value = open.back();
    open.pop_back();
    // Many references to one large list are small in a pickle.
    if (open.size() + value.items().size() <= k_most_visited) open.insert(open.end(), value.items().begin(), value.items().end());
    for (const DictEntry& entry : value.entries()) {
      if (open.size() < k_most_visited) open.push_back(entry.value);
      const std::optional<std::string_view> key = entry.key.as_str();
      if (!key) continue;
      const std::optional<Value> found = value.find(*key);
      PF_PROPERTY(found && found->kind() == entry.value.kind() && found->identity() == entry.value.identity());
    }
  }
}

void check(std::string_view pickle, const Limits& limits) {
  Result<Document> document = decode_pickle(pickle, limits);
  if (!document) {
    PF_PROPERTY(document.error().offset <= pickle.size());
    PF_PROPERTY(!document.error().message.empty());
    // What one role refuses for another reason than its size no narrower role accepts.
    PF_PROPERTY(!decode_pickle(pickle, Limits::greeting()).ok());
    return;
  }
  PF_PROPERTY(document->heap_bytes() <= 8 * pickle.size() + (1u << 20) + k_document_bytes);
  const std::string text = text_of(*document);
  check_keys(document->root());
  const Result<Document> borrowed = decode_pickle(pickle, limits, Texts::borrowed);
  PF_PROPERTY(borrowed.ok());
  PF_PROPERTY(text_of(*borrowed) == text);
  for (const int protocol : {2, 4, 5}) check_rewritten(*document, protocol, text);
  if (Result<Document> control = decode_pickle(pickle, Limits::control()); control) PF_PROPERTY(text_of(*control) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A copy of its own size, so that reading past the end is seen, and the last byte's page is not the fuzzer's.
  const std::vector<char> copy(data, data + size);
  const std::string_view pickle(copy.data(), copy.size());
  check(pickle, Limits::result());
  Limits python2 = Limits::result();
  python2.python2_names = true;
  check(pickle, python2);
  return 0;
}
