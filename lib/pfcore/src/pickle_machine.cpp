#include "pickle_machine.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "pickle_opcodes.hpp"

namespace pf::core {
namespace {

using detail::DeferredNode;
using detail::Node;

// Texts from here on stay in the input until the pickle has proved valid.
constexpr std::size_t k_defer_from_bytes = 4096;
// Copied at a time for the texts in it.
constexpr std::size_t k_window_bytes = 16u << 10;
// Heap of one entry of the sparse memo, generously.
constexpr std::size_t k_sparse_entry_bytes = 96;

Limits bounded(Limits limits) noexcept {
  limits.max_key_depth = std::min(limits.max_key_depth, k_deepest_key);
  limits.max_depth = std::min<std::size_t>(limits.max_depth, Node::k_most_depth - 1);
  return limits;
}

}  // namespace

PickleMachine::PickleMachine(std::string_view pickle, const Limits& limits, Texts texts, Document::Impl& document)
    : limits_(bounded(limits)),
      input_{pickle.data(), pickle.data(), pickle.data() + pickle.size(), pickle.data() + pickle.size()},
      document_(document),
      memory_(input_, document.blocks),
      hasher_(limits_.max_key_depth, limits_.max_key_nodes),
      keys_(hasher_, memory_),
      stack_(memory_),
      memo_(memory_),
      op_start_(pickle.data()) {
  if (texts == Texts::borrowed) {
    window_ = window_begin_ = input_.begin;
    window_end_ = input_.end;
  }
}

bool PickleMachine::fail(ErrorCode code, const char* why) {
  error_code_ = code;
  error_ = why;
  return false;
}

Error PickleMachine::take_error() {
  const auto offset = static_cast<std::size_t>(op_start_ - input_.begin);
  std::string message = "decode the pickle: ";
  if (op_start_ < input_.end) {
    const char* const name = pickle_opcode(static_cast<std::uint8_t>(*op_start_)).name;
    message += name != nullptr ? name : "byte " + std::to_string(static_cast<std::uint8_t>(*op_start_));
    message += " at byte " + std::to_string(offset) + ": ";
  }
  message += error_;
  return {error_code_, std::move(message), 0, offset};
}

// Nine of ten opcodes are those of the switch. Where nothing about them is special they are done here, without a call and
// with the place in the input in a register; everything else, their errors too, is the table's.
bool PickleMachine::run() {
  const char* at = input_.at;
  for (;;) {
    op_start_ = at;
    if (at == input_.limit && !next_frame()) return false;
    const auto byte = static_cast<std::uint8_t>(*at++);
    input_.at = at;
    const auto left = static_cast<std::size_t>(input_.limit - at);
    switch (static_cast<Op>(byte)) {
      case Op::stop: return finish();
      case Op::binget: {
        if (left < 1) break;
        const Value* const known = memo_.begin() + static_cast<std::uint8_t>(*at);
        if (known >= memo_.end()) break;
        input_.at = ++at;
        if (!push_again(*known)) return false;
        continue;
      }
      case Op::memoize:
        if (!memo_put_next()) return false;
        continue;
      case Op::short_binunicode: {
        if (left < 1 || static_cast<std::uint8_t>(*at) >= left) break;
        const std::string_view text(at + 1, static_cast<std::uint8_t>(*at));
        at += 1 + text.size();
        input_.at = at;
        if (!push_text(Kind::str, text)) return false;
        at = input_.at;
        continue;
      }
      case Op::binint1:
        if (left < 1) break;
        input_.at = at + 1;
        if (!push_new(ValueAccess::integer(static_cast<std::uint8_t>(*at++)))) return false;
        continue;
      case Op::binfloat: {
        if (left < 8) break;
        std::uint64_t bits = 0;
        std::memcpy(&bits, at, sizeof bits);
        at += sizeof bits;
        input_.at = at;
        if (!push_floating(std::bit_cast<double>(__builtin_bswap64(bits)))) return false;
        continue;
      }
      default: break;
    }
    const PickleOp op = pickle_opcode(byte).run;
    if (op == nullptr) return fail(ErrorCode::malformed, "this is no opcode");
    if (!op(*this)) return false;
    at = input_.at;
  }
}

// ---------------------------------------------------------------- input

bool PickleMachine::begin_frame(std::uint64_t bytes) {
  if (in_frame_) return fail(ErrorCode::malformed, "a frame inside a frame");
  if (bytes > input_.left()) return fail_short(bytes);
  in_frame_ = true;
  input_.limit = input_.at + bytes;
  return true;
}

bool PickleMachine::next_frame() {
  in_frame_ = false;
  input_.limit = input_.end;
  return input_.at < input_.end || fail(ErrorCode::truncated, "it ends without a STOP");
}

bool PickleMachine::fail_short(std::uint64_t bytes) {
  const bool crosses = in_frame_ && bytes <= static_cast<std::uint64_t>(input_.end - input_.at);
  if (crosses) return fail(ErrorCode::malformed, "the argument crosses the end of its frame");
  return fail(ErrorCode::truncated, "the pickle ends inside the argument");
}

bool PickleMachine::read_line(std::string_view& line) {
  const void* const newline = input_.left() == 0 ? nullptr : std::memchr(input_.at, '\n', input_.left());
  if (newline == nullptr) return fail(ErrorCode::truncated, "the line has no end");
  const char* const end = static_cast<const char*>(newline);
  line = {input_.at, static_cast<std::size_t>(end - input_.at)};
  input_.at = end + 1;
  return true;
}

// ---------------------------------------------------------------- values

char* PickleMachine::allocate(std::size_t bytes) {
  void* const place = memory_.allocate(bytes);
  if (place == nullptr) fail(ErrorCode::limit, k_over_heap);
  return static_cast<char*>(place);
}

void PickleMachine::note_shared(const Value& value) noexcept {
  if (value.kind() == k_kind_global) ++globals_;
  else if (Node* const node = ValueAccess::decoding_node(value); node != nullptr) node->shared = true;
}

bool PickleMachine::push_text_outside(Kind kind, std::string_view bytes_of_input) {
  if (bytes_of_input.size() < k_defer_from_bytes) {
    const auto left = static_cast<std::size_t>(input_.end - bytes_of_input.data());
    const std::size_t bytes = std::min(left, k_window_bytes);
    char* const copy = allocate(bytes);
    if (copy == nullptr) return false;
    std::memcpy(copy, bytes_of_input.data(), bytes);
    window_ = copy;
    window_begin_ = bytes_of_input.data();
    window_end_ = window_begin_ + bytes;
    return push_new_memoised(ValueAccess::text(kind, {copy, bytes_of_input.size()}));
  }
  const Node* const node = defer(bytes_of_input);
  return node != nullptr && push_new_memoised(ValueAccess::long_text(kind, node));
}

const Node* PickleMachine::defer(std::string_view bytes_of_input) {
  DeferredNode* const node = make<DeferredNode>();
  if (node == nullptr) return nullptr;
  if (!memory_.charge(bytes_of_input.size())) {
    fail(ErrorCode::limit, k_over_heap);
    return nullptr;
  }
  node->data = bytes_of_input.data();
  node->size = static_cast<std::uint32_t>(bytes_of_input.size());
  node->next = deferred_;
  deferred_ = node;
  return node;
}

bool PickleMachine::push_copied_text(Kind kind, std::string_view bytes) {
  if (bytes.empty()) return push_new(ValueAccess::text(kind, ""));
  char* const copy = allocate(bytes.size());
  if (copy == nullptr) return false;
  std::memcpy(copy, bytes.data(), bytes.size());
  return push_new(ValueAccess::text(kind, {copy, bytes.size()}));
}

bool PickleMachine::push_complex(ComplexParts parts) {
  auto* const node = make<detail::ComplexNode>();
  if (node == nullptr) return false;
  node->parts = parts;
  return push_new(ValueAccess::complex(node));
}

bool PickleMachine::push_bytearray(std::string_view bytes, bool of_input) {
  if (of_input && bytes.size() >= k_defer_from_bytes) {
    const Node* const node = defer(bytes);
    return node != nullptr && push_new(ValueAccess::node(Kind::bytearray, node));
  }
  // A bytearray of its own even when the bytes are in memory: that is what it costs everyone who reads the value.
  Node* const node = make<Node>();
  char* const copy = node == nullptr ? nullptr : allocate(std::max<std::size_t>(bytes.size(), 1));
  if (copy == nullptr) return false;
  if (!bytes.empty()) std::memcpy(copy, bytes.data(), bytes.size());
  node->data = copy;
  node->size = static_cast<std::uint32_t>(bytes.size());
  return push_new(ValueAccess::node(Kind::bytearray, node));
}

bool PickleMachine::push_global(int which) {
  ++globals_;
  return push_new(ValueAccess::global(which, false));
}

// ---------------------------------------------------------------- stack

bool PickleMachine::pop() {
  if (above_mark() == 0) return pop_mark();
  if (top().kind() == k_kind_global) return fail(ErrorCode::refused, "a class can only be called");
  drop(1);
  return true;
}

bool PickleMachine::push_mark() {
  // A container under construction needs a mark, a reduced one two.
  if (marks_.size() >= 2 * limits_.max_depth + 2) return fail(ErrorCode::limit, "marks nested too deep");
  if (!memory_.charge(2 * sizeof(std::uint32_t))) return fail(ErrorCode::limit, k_over_heap);
  fence_ = stack_.size();
  marks_.push(static_cast<std::uint32_t>(fence_));
  return true;
}

bool PickleMachine::open_slice(std::size_t& count) {
  if (marks_.size() == 0) return fail(ErrorCode::malformed, "there is no mark");
  count = above_mark();
  marks_.pop();
  memory_.refund(2 * sizeof(std::uint32_t));
  fence_ = marks_.size() == 0 ? 0 : marks_.newest();
  return true;
}

bool PickleMachine::pop_mark() {
  std::size_t count = 0;
  if (!open_slice(count)) return false;
  if (has_global(stack_.end() - count, count)) return fail(ErrorCode::refused, "a class can only be called");
  drop(count);
  return true;
}

// ---------------------------------------------------------------- memo

bool PickleMachine::memo_put(std::uint64_t index) {
  if (!need(1)) return false;
  if (top().kind() == k_kind_global) *(stack_.end() - 1) = ValueAccess::global(ValueAccess::integer_of(top()), true);
  const Value value = top();
  if (index < memo_.size()) {
    memo_[static_cast<std::size_t>(index)] = value;
    return true;
  }
  if (index == memo_.size()) {
    if (!memo_.push(value)) return fail(ErrorCode::limit, k_over_heap);
    for (;;) {
      const auto next = sparse_memo_.find(static_cast<std::uint32_t>(memo_.size()));
      if (sparse_memo_.empty() || next == sparse_memo_.end()) return true;
      if (!memo_.push(next->second)) return fail(ErrorCode::limit, k_over_heap);
      sparse_memo_.erase(next);
      memory_.refund(k_sparse_entry_bytes);
    }
  }
  // Writers count from 0, some from 1. An index beyond what the pickle can have memoised is a mistake or an attack.
  const auto whole = static_cast<std::uint64_t>(input_.end - input_.begin);
  if (index > whole || index > limits_.max_objects) return fail(ErrorCode::limit, "the memo index is too large");
  const auto key = static_cast<std::uint32_t>(index);
  if (!sparse_memo_.contains(key) && !memory_.charge(k_sparse_entry_bytes)) return fail(ErrorCode::limit, k_over_heap);
  sparse_memo_[key] = value;
  return true;
}

bool PickleMachine::memo_get_sparse(std::uint64_t index) {
  if (index <= limits_.max_objects) {
    const auto found = sparse_memo_.find(static_cast<std::uint32_t>(index));
    if (found != sparse_memo_.end()) return push_again(found->second);
  }
  return fail(ErrorCode::malformed, "nothing is memoised under this index");
}

}  // namespace pf::core
