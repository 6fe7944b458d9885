#include <pfcore/value_builder.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

#include "document.hpp"
#include "pickle_text.hpp"
#include "value_nodes.hpp"

namespace pf::core {
namespace {

using detail::Block;
using detail::MutableNode;
using detail::Node;

constexpr std::size_t k_block_bytes = 64u << 10;

std::uint32_t checked(std::size_t size) {
  if (size > k_most_value_bytes) throw std::length_error("a value of " + std::to_string(size) + " bytes or elements");
  return static_cast<std::uint32_t>(size);
}

}  // namespace

ValueBuilder::ValueBuilder() : document_(std::make_unique<Document::Impl>()) {}
ValueBuilder::~ValueBuilder() = default;

Document ValueBuilder::finish(const Value& root) {
  document_->root = root;
  Document done(std::move(document_));
  document_ = std::make_unique<Document::Impl>();
  at_ = end_ = nullptr;
  nans_ = 0;
  return done;
}

// ---------------------------------------------------------------- memory

void* ValueBuilder::allocate(std::size_t bytes) {
  bytes = (bytes + 7) & ~std::size_t{7};
  if (bytes > static_cast<std::size_t>(end_ - at_)) {
    const std::size_t capacity = std::max(bytes, k_block_bytes);
    void* const place = std::malloc(detail::k_block_header_bytes + capacity);
    if (place == nullptr) throw std::bad_alloc();
    Block* const block = new (place) Block{nullptr, nullptr, detail::k_block_header_bytes + capacity, false};
    document_->blocks.add(block);
    if (bytes > k_block_bytes / 2) return block->data();   // a large piece does not end the block in use
    at_ = block->data();
    end_ = at_ + capacity;
  }
  char* const out = at_;
  at_ += bytes;
  return out;
}

std::string_view ValueBuilder::copy(std::string_view text) {
  checked(text.size());
  if (text.empty()) return "";
  char* const place = static_cast<char*>(allocate(text.size()));
  std::memcpy(place, text.data(), text.size());
  return {place, text.size()};
}

// ---------------------------------------------------------------- scalars

Value ValueBuilder::boolean(bool value) noexcept { return ValueAccess::boolean(value); }
Value ValueBuilder::integer(std::int64_t value) noexcept { return ValueAccess::integer(value); }
Value ValueBuilder::floating(double value) noexcept { return ValueAccess::floating(value, std::isnan(value) ? ++nans_ : 0); }

Value ValueBuilder::integer(std::string_view twos_complement) {
  const std::string_view least = least_twos_complement(twos_complement);
  if (least.size() > sizeof(std::int64_t)) return ValueAccess::text(Kind::big_integer, copy(least));
  return integer(twos_complement_to_int64(least));
}

Value ValueBuilder::complex(ComplexParts parts) {
  auto* const node = new (allocate(sizeof(detail::ComplexNode))) detail::ComplexNode;
  node->parts = parts;
  return ValueAccess::complex(node);
}

Value ValueBuilder::str(std::string_view utf8) { return ValueAccess::text(Kind::str, copy(utf8)); }
Value ValueBuilder::bytes(std::string_view data) { return ValueAccess::text(Kind::bytes, copy(data)); }

Value ValueBuilder::bytearray(std::string_view data) {
  auto* const node = new (allocate(sizeof(Node))) Node;
  node->data = copy(data).data();
  node->size = checked(data.size());
  return ValueAccess::node(Kind::bytearray, node);
}

// ---------------------------------------------------------------- containers

Value ValueBuilder::empty(Kind kind) { return ValueAccess::node(kind, new (allocate(sizeof(MutableNode))) MutableNode); }
Value ValueBuilder::list() { return empty(Kind::list); }
Value ValueBuilder::dict() { return empty(Kind::dict); }
Value ValueBuilder::set() { return empty(Kind::set); }

Value ValueBuilder::sequence(Kind kind, std::span<const Value> elements) {
  if (elements.empty()) return ValueAccess::node(kind, nullptr);
  const Value made = empty(kind);
  fill(made, elements);
  return made;
}
Value ValueBuilder::tuple(std::span<const Value> elements) { return sequence(Kind::tuple, elements); }
Value ValueBuilder::frozenset(std::span<const Value> elements) { return sequence(Kind::frozenset, elements); }

void ValueBuilder::fill(const Value& container, std::span<const Value> values) {
  if (values.empty()) return;
  const std::uint32_t size = checked(values.size());
  Node* const node = ValueAccess::decoding_node(container);
  auto* const place = static_cast<Value*>(allocate(values.size_bytes()));
  std::uninitialized_copy(values.begin(), values.end(), place);
  node->data = place;
  node->size = container.kind() == Kind::dict ? size / 2 : size;
}

Value ValueBuilder::again(const Value& value) noexcept {
  if (Node* const node = value.identity() != nullptr ? ValueAccess::decoding_node(value) : nullptr; node != nullptr) node->shared = true;
  return value;
}

}  // namespace pf::core
