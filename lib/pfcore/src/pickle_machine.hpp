// The stack machine that a pickle drives: input, stack with marks, memo, and the containers under construction. The
// opcodes themselves are in pickle_ops_*.cpp. Every function that can fail returns false after noting why.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <pfcore/pickle_reader.hpp>
#include <pfcore/result.hpp>

#include "decode_memory.hpp"
#include "document.hpp"
#include "key_hash.hpp"
#include "key_table.hpp"
#include "value_array.hpp"
#include "value_nodes.hpp"

namespace pf::core {

class PickleMachine {
 public:
  PickleMachine(std::string_view pickle, const Limits& limits, Document::Impl& document);
  PickleMachine(const PickleMachine&) = delete;
  PickleMachine& operator=(const PickleMachine&) = delete;

  // Runs the pickle to its STOP; the document's root is set then.
  [[nodiscard]] bool run();
  [[nodiscard]] Error take_error();
  // `why` must be a string literal.
  bool fail(ErrorCode code, const char* why);
  [[nodiscard]] const Limits& limits() const noexcept { return limits_; }

  // ---- input: the argument of the current opcode
  [[nodiscard]] bool read(std::uint64_t bytes, std::string_view& out);
  // Little-endian, of 1, 2, 4 or 8 bytes.
  [[nodiscard]] bool read_number(std::size_t bytes, std::uint64_t& out);
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
  // A value that exists already.
  [[nodiscard]] bool push_again(Value value);
  [[nodiscard]] bool push_text(Kind kind, std::string_view bytes_of_input);   // str or bytes; str is checked
  [[nodiscard]] bool push_copied_text(Kind kind, std::string_view bytes);     // no check; the bytes may go afterwards
  [[nodiscard]] bool push_floating(double value);
  [[nodiscard]] bool push_complex(ComplexParts parts);
  [[nodiscard]] bool push_bytearray(std::string_view bytes, bool of_input);
  [[nodiscard]] bool push_global(int which);
  // Memory for the texts that opcodes build themselves; null after noting the failure.
  [[nodiscard]] char* allocate(std::size_t bytes);

  // ---- stack; nothing below the newest mark can be reached
  [[nodiscard]] std::size_t above_mark() const noexcept { return stack_.size() - fence_; }
  [[nodiscard]] bool need(std::size_t values);
  [[nodiscard]] const Value& top(std::size_t below = 0) noexcept { return *(stack_.end() - 1 - below); }
  void drop(std::size_t values) noexcept { stack_.truncate(stack_.end() - values); }
  [[nodiscard]] bool pop();
  [[nodiscard]] bool push_mark();
  [[nodiscard]] bool pop_mark();            // with everything above it
  // Takes the mark away and leaves what was above it; fails when there is none.
  [[nodiscard]] bool open_slice(std::size_t& count);

  // ---- memo
  [[nodiscard]] bool memo_put(std::uint64_t index);
  [[nodiscard]] bool memo_put_next();
  [[nodiscard]] bool memo_get(std::uint64_t index);

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
  [[nodiscard]] bool push(Value value) {
    return stack_.push(value) || fail(ErrorCode::limit, k_over_heap);
  }
  [[nodiscard]] bool next_frame();
  [[nodiscard]] bool finish();
  [[nodiscard]] bool copy_deferred();
  [[nodiscard]] bool check_depth(const Value& root);
  [[nodiscard]] bool note_children(detail::Node& parent, const Value* values, std::size_t count);
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
  detail::ValueArray stack_;
  detail::ValueArray memo_;
  std::unordered_map<std::uint32_t, Value> sparse_memo_;  // indices beyond memo_.size()
  std::vector<std::uint32_t> marks_;                      // stack heights
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
[[nodiscard]] const PickleOpcode& pickle_opcode(std::uint8_t byte) noexcept;

}  // namespace pf::core
