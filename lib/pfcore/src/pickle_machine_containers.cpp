// The part of the machine that makes and fills containers, and that ends the run.
#include <algorithm>
#include <cstring>
#include <span>

#include "pickle_machine.hpp"

namespace pf::core {
namespace {

using detail::Block;
using detail::block_of;
using detail::DeferredNode;
using detail::MutableNode;
using detail::Node;

// Arrays from here on are blocks of their own, which can grow.
constexpr std::size_t k_block_from_bytes = 4096;
constexpr std::size_t k_first_growth = 4;

std::size_t stride_of(bool is_dict) noexcept { return is_dict ? sizeof(DictEntry) : sizeof(Value); }

// Keys and values of a dict are Values side by side, on the stack as in its entries.
static_assert(sizeof(DictEntry) == 2 * sizeof(Value));

std::span<const Value> children(const Value& container) noexcept {
  const Node* const node = ValueAccess::node_of(container);
  if (node == nullptr) return {};
  const std::size_t values = container.kind() == Kind::dict ? 2 * std::size_t{node->size} : node->size;
  return {static_cast<const Value*>(node->data), values};
}

}  // namespace

bool PickleMachine::has_global(const Value* values, std::size_t count) const noexcept {
  if (globals_ == 0) return false;
  return std::any_of(values, values + count, [](const Value& value) { return value.kind() == k_kind_global; });
}

// Copies values to where a container is going to have them, and notes what it must know about them.
bool PickleMachine::take_values(Node& parent, const Value* from, std::size_t count, Value* to) {
  if (has_global(from, count)) return fail(ErrorCode::refused, "a class is no value");
  std::uint32_t deepest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Value value = from[i];
    to[i] = value;
    if (!is_container(value.kind())) continue;
    Node* const child = ValueAccess::decoding_node(value);
    deepest = std::max(deepest, child == nullptr ? 1u : static_cast<std::uint32_t>(child->depth));
    if (child != nullptr) child->contained = true;
  }
  return deepest < parent.depth || note_depth(parent, deepest + 1);
}

// Of a container that has been found to nest deeper than was known.
bool PickleMachine::note_depth(Node& parent, std::uint32_t depth) {
  // A container that grows deeper after it was put into another leaves that one's depth out of date.
  if (parent.contained) depth_in_doubt_ = true;
  if (depth > limits_.max_depth) {
    // In doubt it may be far too much, since a cycle raises it with every element: the check at the end decides.
    if (!depth_in_doubt_) return fail(ErrorCode::limit, "containers nested too deep");
    depth = static_cast<std::uint32_t>(limits_.max_depth);
  }
  parent.depth = depth & Node::k_most_depth;
  return true;
}

// Makes room for `elements` in all.
bool PickleMachine::reserve(MutableNode& node, std::size_t elements, std::size_t stride) {
  if (elements <= node.capacity) return true;
  const std::size_t least = node.capacity == 0 ? elements : std::max(elements, k_first_growth);
  const std::size_t bytes = memory_.growth(node.capacity * stride, least * stride);
  void* const old = const_cast<void*>(node.data);
  if (bytes < k_block_from_bytes) {
    char* const place = allocate(bytes);
    if (place == nullptr) return false;
    if (node.size > 0) std::memcpy(place, old, node.size * stride);
    node.data = place;
    node.capacity = static_cast<std::uint32_t>(bytes / stride);
    return true;
  }
  Block* block = nullptr;
  if (node.has_block) {
    memory_.disown(block_of(old));
    block = memory_.resize_block(block_of(old), bytes);
    memory_.own(block != nullptr ? block : block_of(old));
  } else {
    block = memory_.new_block(bytes);
    if (block != nullptr) {
      if (node.size > 0) std::memcpy(block->data(), old, node.size * stride);
      memory_.own(block);
    }
  }
  if (block == nullptr) return fail(ErrorCode::limit, k_over_heap);
  node.data = block->data();
  node.has_block = true;
  node.capacity = static_cast<std::uint32_t>(block->capacity() / stride);
  return true;
}

// Moves the newest `count` values off the stack, behind the elements that the node has. Its size stays.
bool PickleMachine::move_into(MutableNode& node, bool is_dict, std::size_t count) {
  const std::size_t stride = stride_of(is_dict);
  Value* const from = stack_.end() - count;
  if (node.capacity == 0) {
    if (count * sizeof(Value) < k_block_from_bytes) {
      // By far the most.
      char* const place = allocate(count * sizeof(Value));
      if (place == nullptr) return false;
      node.data = place;
      node.capacity = static_cast<std::uint32_t>(count * sizeof(Value) / stride);
      if (!take_values(node, from, count, reinterpret_cast<Value*>(place))) return false;
      drop(count);
      return true;
    }
    if (Block* const block = stack_.split_off(from); block != nullptr) {
      memory_.own(block);
      node.data = block->data();
      node.has_block = true;
      node.capacity = static_cast<std::uint32_t>(block->capacity() / stride);
      Value* const values = reinterpret_cast<Value*>(block->data());
      return take_values(node, values, count, values);
    }
  }
  if (!reserve(node, node.size + count * sizeof(Value) / stride, stride)) return false;
  char* const end = static_cast<char*>(const_cast<void*>(node.data)) + node.size * stride;
  if (!take_values(node, from, count, reinterpret_cast<Value*>(end))) return false;
  drop(count);
  return true;
}

bool PickleMachine::fail_key(KeyFault fault) {
  switch (fault) {
    case KeyFault::unhashable: return fail(ErrorCode::malformed, "an unhashable value as a key or set element");
    case KeyFault::too_deep: return fail(ErrorCode::limit, "a key or set element nested too deep");
    case KeyFault::too_many_nodes: return fail(ErrorCode::limit, "a key or set element of too many values");
    case KeyFault::too_much_work: return fail(ErrorCode::limit, "the keys or set elements collide too often");
    case KeyFault::over_heap_bound: return fail(ErrorCode::limit, k_over_heap);
    case KeyFault::none: break;
  }
  return true;
}

bool PickleMachine::take_keys(MutableNode& node, Kind kind, std::size_t count) {
  const KeyFault fault = keys_.take(node, kind == Kind::dict, count);
  return fault == KeyFault::none || fail_key(fault);
}

bool PickleMachine::push_tuple(std::size_t count) {
  if (count == 0) return push_new(ValueAccess::node(Kind::tuple, nullptr));
  Node* node = nullptr;
  Value* const from = stack_.end() - count;
  if (count * sizeof(Value) < k_block_from_bytes) {
    char* const place = allocate(sizeof(Node) + count * sizeof(Value));
    if (place == nullptr) return false;
    node = new (place) Node();
    node->data = place + sizeof(Node);
    if (!take_values(*node, from, count, reinterpret_cast<Value*>(place + sizeof(Node)))) return false;
    drop(count);
  } else {
    auto* const large = make<MutableNode>();
    if (large == nullptr) return false;
    if (!move_into(*large, false, count)) return false;
    node = large;
  }
  node->size = static_cast<std::uint32_t>(count);
  return push_new_memoised(ValueAccess::node(Kind::tuple, node));
}

bool PickleMachine::fill(MutableNode& node, Kind kind, std::size_t count) {
  const bool is_dict = kind == Kind::dict;
  if (is_dict && count % 2 != 0) return fail(ErrorCode::malformed, "a key without a value");
  if (count == 0) return true;
  if (!move_into(node, is_dict, count)) return false;
  if (kind != Kind::list) return take_keys(node, kind, is_dict ? count / 2 : count);
  node.size += static_cast<std::uint32_t>(count);
  return true;
}

bool PickleMachine::push_container(Kind kind, std::size_t count) {
  if (kind == Kind::frozenset && count == 0) return push_new(ValueAccess::node(kind, nullptr));
  auto* const node = make<MutableNode>();
  return node != nullptr && fill(*node, kind, count) && push_new_memoised(ValueAccess::node(kind, node));
}

bool PickleMachine::add_to(Kind kind, std::size_t count) {
  if (!need(count + 1)) return false;
  const Value target = top(count);
  if (target.kind() != kind) return fail(ErrorCode::malformed, "the target is of another type");
  return fill(static_cast<MutableNode&>(*ValueAccess::decoding_node(target)), kind, count);
}

bool PickleMachine::push_set_of(Kind kind, const Value& list) {
  const std::span<const Value> elements = list.items();
  if (kind == Kind::frozenset && elements.empty()) return push_new(ValueAccess::node(kind, nullptr));
  auto* const node = make<MutableNode>();
  if (node == nullptr) return false;
  if (!reserve(*node, elements.size(), sizeof(Value))) return false;
  if (!take_values(*node, elements.data(), elements.size(), static_cast<Value*>(const_cast<void*>(node->data)))) return false;
  for (const Value& element : elements) {
    // The list may be reachable still, and then its elements are so twice.
    Node* const child = is_container(element.kind()) ? ValueAccess::decoding_node(element) : nullptr;
    if (child != nullptr) child->shared = true;
  }
  return take_keys(*node, kind, elements.size()) && push_new(ValueAccess::node(kind, node));
}

// ---------------------------------------------------------------- the end

bool PickleMachine::finish() {
  if (marks_.size() != 0) return fail(ErrorCode::malformed, "a mark is open");
  if (stack_.size() != 1) return fail(ErrorCode::malformed, stack_.size() == 0 ? "the stack is empty" : "values are left over");
  const Value root = top();
  if (root.kind() == k_kind_global) return fail(ErrorCode::refused, "a class is no value");
  if (input_.at != input_.end) return fail(ErrorCode::malformed, "bytes after it");
  if (depth_in_doubt_ && !check_depth(root)) return false;
  if (!copy_deferred()) return false;
  document_.root = root;
  return true;
}

// Now that the pickle is known to be valid, the Document needs no more of the input.
bool PickleMachine::copy_deferred() {
  for (DeferredNode* node = deferred_; node != nullptr; node = node->next) {
    memory_.refund(node->size);
    char* const copy = allocate(node->size);
    if (copy == nullptr) return false;
    std::memcpy(copy, node->data, node->size);
    node->data = copy;
  }
  return true;
}

// The depth at which a walk that remembers where it was meets the containers.
bool PickleMachine::check_depth(const Value& root) {
  struct Level {
    std::span<const Value> children;
    std::size_t next;
  };
  std::vector<Level> levels;
  const auto enter = [&](const Value& value) {
    if (!is_container(value.kind())) return true;
    Node* const node = ValueAccess::decoding_node(value);
    if (node == nullptr || node->visited) return true;
    if (levels.size() >= limits_.max_depth) return fail(ErrorCode::limit, "containers nested too deep");
    if (!memory_.charge(2 * sizeof(Level))) return fail(ErrorCode::limit, k_over_heap);
    node->visited = true;
    levels.push_back({children(value), 0});
    return true;
  };
  if (!enter(root)) return false;
  while (!levels.empty()) {
    Level& level = levels.back();
    if (level.next == level.children.size()) {
      levels.pop_back();
      memory_.refund(2 * sizeof(Level));
      continue;
    }
    if (!enter(level.children[level.next++])) return false;
  }
  return true;
}

}  // namespace pf::core
