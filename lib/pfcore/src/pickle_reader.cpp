#include <pfcore/pickle_reader.hpp>

#include <utility>

#include "document.hpp"
#include "pickle_machine.hpp"

namespace pf::core {
namespace {

constexpr std::size_t k_most_objects = 1'000'000;
constexpr std::size_t k_most_int_digits = 4300;  // CPython's own limit
constexpr std::size_t k_most_int_bytes = 64u << 10;
constexpr std::size_t k_deepest_control = 512;
constexpr std::size_t k_deepest_result = 10'000;
constexpr std::size_t k_deepest_key_of_ours = 8;
constexpr std::size_t k_most_key_nodes = 64;
// Lengths of texts are 32 bits wide in a Value.
constexpr std::size_t k_most_bytes_ever = 0xFFFFFFFE;

Limits limits_of(std::size_t max_bytes, std::size_t max_depth) noexcept {
  return {max_bytes,        k_most_objects, max_depth, k_most_int_digits, k_most_int_bytes, k_deepest_key_of_ours,
          k_most_key_nodes, false};
}

}  // namespace

Limits Limits::greeting() noexcept { return limits_of(64u << 10, k_deepest_control); }
Limits Limits::control() noexcept { return limits_of(16u << 20, k_deepest_control); }
Limits Limits::result(std::size_t max_bytes) noexcept { return limits_of(max_bytes, k_deepest_result); }

Document::Document() noexcept = default;
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;
Document::Document(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}

const Value& Document::root() const noexcept {
  static const Value k_none;
  return impl_ ? impl_->root : k_none;
}

std::size_t Document::heap_bytes() const noexcept { return impl_ ? sizeof(Impl) + impl_->blocks.bytes() : 0; }

Result<Document> decode_pickle(std::string_view pickle, const Limits& limits, Texts texts) {
  if (pickle.size() > limits.max_bytes || pickle.size() > k_most_bytes_ever) {
    return Error{ErrorCode::limit, "decode the pickle: " + std::to_string(pickle.size()) + " bytes, " +
                                       std::to_string(limits.max_bytes) + " are allowed"};
  }
  auto document = std::make_unique<Document::Impl>();
  PickleMachine machine(pickle, limits, texts, *document);
  if (!machine.run()) return machine.take_error();
  return Document(std::move(document));
}

}  // namespace pf::core
