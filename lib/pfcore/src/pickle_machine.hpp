// The stack machine that a pickle drives: input, stack with marks, memo, and the containers under construction. The
// opcodes themselves are in pickle_ops_*.cpp. Every function that can fail returns false after noting why.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <pfcore/pickle_reader.hpp>
#include <pfcore/result.hpp>

#include "decode_memory.hpp"
#include "document.hpp"
#include "key_hash.hpp"
#include "key_table.hpp"
#include "pickle_opcodes.hpp"
#include "utf8.hpp"
#include "value_array.hpp"
#include "value_nodes.hpp"

namespace pf::core {

class PickleMachine {
 public:
  PickleMachine(std::string_view pickle, const Limits& limits, Texts texts, Document::Impl& document);
  PickleMachine(const PickleMachine&) = delete;
  PickleMachine& operator=(const PickleMachine&) = delete;

  // Runs the pickle to its STOP; the document's root is set then.
  [[nodiscard]] bool run();
  [[nodiscard]] Error take_error();
  // `why` must be a string literal.
  bool fail(ErrorCode code, const char* why);
  [[nodiscard]] const Limits& limits() const noexcept { return limits_; }

  // ---- input: the argument of the current opcode
  [[nodiscard]] bool read(std::uint64_t bytes, std::string_view& out) {
    if (bytes > input_.left()) return fail_short(bytes);
    out = {input_.at, static_cast<std::size_t>(bytes)};
    input_.at += bytes;
    return true;
  }
  // Little-endian, of 1, 2, 4 or 8 bytes.
  [[nodiscard]] bool read_number(std::size_t bytes, std::uint64_t& out) {
    static_assert(std::endian::native == std::endian::little);
    if (bytes > input_.left()) return fail_short(bytes);
    out = 0;
    std::memcpy(&out, input_.at, bytes);
    input_.at += bytes;
    return true;
  }
  // Up to a newline, which is not part of the line.
  [[nodiscard]] bool read_line(std::string_view& line);
  [[nodiscard]] bool at_start() const noexcept { return op_start_ == input_.begin; }
  [[nodiscard]] bool begin_frame(std::uint64_t bytes);

  // ---- values
  // A value that this opcode makes.
  [[nodiscard]] bool push_new(Value value) {
    if (++objects_ > limits_.max_objects) return fail(ErrorCode::limit, "too many values");
    return push(value);
  }
  // A value that this opcode makes and that writers memoise: a MEMOIZE behind it is read with it, since the value would
  // have to come back from where it was stored a moment ago.
  [[nodiscard]] bool push_new_memoised(Value value) {
    if (!push_new(value)) return false;
    if (input_.at == input_.limit || *input_.at != static_cast<char>(Op::memoize) || !sparse_memo_.empty()) return true;
    op_start_ = input_.at++;
    return memo_.push(value) || fail(ErrorCode::limit, k_over_heap);
  }
  // A value that exists already.
  [[nodiscard]] bool push_again(Value value) {
    if (value.kind() >= Kind::bytearray) note_shared(value);
    return push(value);
  }
  // str or bytes; a str is checked.
  [[nodiscard]] bool push_text(Kind kind, std::string_view bytes_of_input) {
    if (kind == Kind::str && !is_ascii(bytes_of_input) && !is_utf8(bytes_of_input)) {
      return fail(ErrorCode::malformed, "the text is not UTF-8");
    }
    if (bytes_of_input.empty()) return push_new_memoised(ValueAccess::text(kind, ""));
    if (bytes_of_input.data() + bytes_of_input.size() > window_end_) return push_text_outside(kind, bytes_of_input);
    return push_new_memoised(ValueAccess::text(kind, {window_ + (bytes_of_input.data() - window_begin_), bytes_of_input.size()}));
  }
  [[nodiscard]] bool push_copied_text(Kind kind, std::string_view bytes);     // no check; the bytes may go afterwards
  [[nodiscard]] bool push_floating(double value) {
    return push_new(ValueAccess::floating(value, std::isnan(value) ? ++nan_serial_ : 0));
  }
  [[nodiscard]] bool push_complex(ComplexParts parts);
  [[nodiscard]] bool push_bytearray(std::string_view bytes, bool of_input);
  [[nodiscard]] bool push_global(int which);
  // Memory for the texts that opcodes build themselves; null after noting the failure.
  [[nodiscard]] char* allocate(std::size_t bytes);

  // ---- stack; nothing below the newest mark can be reached
  [[nodiscard]] std::size_t above_mark() const noexcept { return stack_.size() - fence_; }
  [[nodiscard]] bool need(std::size_t values) {
    return above_mark() >= values || fail(ErrorCode::malformed, "too few values on the stack");
  }
  [[nodiscard]] const Value& top(std::size_t below = 0) noexcept { return *(stack_.end() - 1 - below); }
  void drop(std::size_t values) noexcept { stack_.truncate(stack_.end() - values); }
  [[nodiscard]] bool pop();
  [[nodiscard]] bool push_mark();
  [[nodiscard]] bool pop_mark();            // with everything above it
  // Takes the mark away and leaves what was above it; fails when there is none.
  [[nodiscard]] bool open_slice(std::size_t& count);

  // ---- memo
  [[nodiscard]] bool memo_put(std::uint64_t index);
  [[nodiscard]] bool memo_put_next() {
    if (above_mark() == 0 || top().kind() == k_kind_global || !sparse_memo_.empty()) {
      return memo_put(memo_.size() + sparse_memo_.size());
    }
    return memo_.push(top()) || fail(ErrorCode::limit, k_over_heap);
  }
  [[nodiscard]] bool memo_get(std::uint64_t index) {
    return index < memo_.size() ? push_again(memo_[static_cast<std::size_t>(index)]) : memo_get_sparse(index);
  }

  // ---- containers, made of or filled with the newest `count` values, which are taken off the stack
  [[nodiscard]] bool push_tuple(std::size_t count);
  [[nodiscard]] bool push_container(Kind kind, std::size_t count);           // list, dict, set or frozenset
  // Into the list, dict or set under the values.
  [[nodiscard]] bool add_to(Kind kind, std::size_t count);
  // A set or frozenset of the elements of a list, which stays as it is.
  [[nodiscard]] bool push_set_of(Kind kind, const Value& list);
  // Takes a class and its arguments off the stack.
  void drop_call() noexcept {
    drop(2);
    --globals_;
  }

 private:
  // Heights of the stack. The first ones need no heap.
  class Marks {
   public:
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::uint32_t newest() const noexcept { return size_ <= k_first ? first_[size_ - 1] : more_.back(); }
    void push(std::uint32_t height) {
      if (size_ < k_first) first_[size_] = height;
      else more_.push_back(height);
      ++size_;
    }
    void pop() noexcept {
      if (size_-- > k_first) more_.pop_back();
    }

   private:
    static constexpr std::size_t k_first = 16;
    std::array<std::uint32_t, k_first> first_;  // not initialised
    std::vector<std::uint32_t> more_;
    std::size_t size_ = 0;
  };

  [[nodiscard]] bool push(Value value) {
    return stack_.push(value) || fail(ErrorCode::limit, k_over_heap);
  }
  void note_shared(const Value& value) noexcept;
  [[nodiscard]] bool push_text_outside(Kind kind, std::string_view bytes_of_input);
  // A text that stays in the input until the pickle has proved valid. Null after noting the failure.
  [[nodiscard]] const detail::Node* defer(std::string_view bytes_of_input);
  [[nodiscard]] bool memo_get_sparse(std::uint64_t index);
  [[nodiscard]] bool next_frame();
  [[nodiscard]] bool finish();
  [[nodiscard]] bool copy_deferred();
  [[nodiscard]] bool check_depth(const Value& root);
  [[nodiscard]] bool take_values(detail::Node& parent, const Value* from, std::size_t count, Value* to);
  [[nodiscard]] bool note_depth(detail::Node& parent, std::uint32_t depth);
  [[nodiscard]] bool has_global(const Value* values, std::size_t count) const noexcept;
  [[nodiscard]] bool reserve(detail::MutableNode& node, std::size_t elements, std::size_t stride);
  [[nodiscard]] bool fill(detail::MutableNode& node, Kind kind, std::size_t count);
  [[nodiscard]] bool move_into(detail::MutableNode& node, bool is_dict, std::size_t count);
  [[nodiscard]] bool take_keys(detail::MutableNode& node, Kind kind, std::size_t count);
  [[nodiscard]] bool fail_short(std::uint64_t bytes);
  bool fail_key(KeyFault fault);
  // Null after noting the failure.
  template <typename T>
  [[nodiscard]] T* make() {
    T* const made = memory_.make<T>();
    if (made == nullptr) fail(ErrorCode::limit, k_over_heap);
    return made;
  }

  static constexpr const char* k_over_heap = "it needs more than 8 bytes of heap a byte";

  Limits limits_;
  detail::Input input_;
  Document::Impl& document_;
  detail::DecodeMemory memory_;
  KeyHasher hasher_;
  KeyTable keys_;
  // A part of the input that has been copied as a whole, so that its texts need no copies of their own; or all of the input,
  // itself, when the document may point into it.
  const char* window_begin_ = nullptr;                    // in the input
  const char* window_end_ = nullptr;
  const char* window_ = nullptr;                          // the copy
  detail::ValueArray stack_;
  detail::ValueArray memo_;
  std::unordered_map<std::uint32_t, Value> sparse_memo_;  // indices beyond memo_.size()
  Marks marks_;
  std::size_t fence_ = 0;                                 // the newest of them
  std::size_t objects_ = 0;
  std::size_t globals_ = 0;                               // on the stack
  std::uint32_t nan_serial_ = 0;
  detail::DeferredNode* deferred_ = nullptr;
  bool in_frame_ = false;
  bool depth_in_doubt_ = false;
  const char* op_start_;
  ErrorCode error_code_ = ErrorCode::malformed;
  const char* error_ = "";
};

// One opcode: reads its argument and changes the machine.
using PickleOp = bool (*)(PickleMachine& machine);
struct PickleOpcode {
  const char* name;
  PickleOp run;
};
// Null name and function for a byte that is no opcode. STOP has no function.
extern const std::array<PickleOpcode, 256> k_pickle_opcodes;
[[nodiscard]] inline const PickleOpcode& pickle_opcode(std::uint8_t byte) noexcept { return k_pickle_opcodes[byte]; }

}  // namespace pf::core
