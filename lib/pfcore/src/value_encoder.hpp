// Writes a Value with all that hangs on it, for PickleWriter::value. Iterative.
//
// A container that may be met again is memoised. A tuple can be memoised only after its elements, and one of them may
// lead back to it through a list or dict. So inside a shared tuple a list or dict is written empty, and filled when the
// outermost shared tuple is done and memoised: no element is ever written twice. (CPython writes the tuple's elements a
// second time inside themselves and drops them, which is quadratic for a graph that is made for it.)
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <pfcore/pickle_writer.hpp>
#include <pfcore/value.hpp>

namespace pf::core {

class ValueEncoder {
 public:
  explicit ValueEncoder(PickleWriter& writer) noexcept : writer_(writer) {}

  void encode(const Value& root);

 private:
  // A container of which the elements before `next` have been written. Keys and values of a dict count separately.
  struct Level {
    Value container;
    const Value* next;
    const Value* end;
    std::size_t left_in_batch;
    bool was_postponed;             // it comes from the memo and is dropped from the stack in the end
    bool is_shared_tuple;
  };
  // A str that has been memoised, by where it stands: a text that the pickle fetched again is found without looking at it.
  struct RecentText {
    const char* text = nullptr;
    std::uint32_t size = 0;
    std::uint32_t memo_index = 0;
  };
  struct Postponed {
    Value container;
    std::uint32_t memo_index;
  };

  // The containers that a shared tuple left empty, to be filled one after the other when the levels above are done.
  struct Filler {
    std::size_t height;
    std::vector<Postponed> containers;
  };

  void open(const Value& container, bool was_postponed, bool is_shared_tuple);
  void begin(const Value& value);
  void begin_tuple(const Value& value);
  void begin_set(const Value& value);
  void begin_mutable(const Value& value);
  void fill_next(Filler& filler);
  void end_batch(Level& level);
  void finish(const Level& level);
  void put_scalar(const Value& value);
  void put_str(std::string_view text);
  void put_text(const Value& value);
  void put_bytearray(const Value& value);
  void put_complex(const Value& value);
  void remember(const Value& value);
  [[nodiscard]] bool put_known(const void* identity);
  [[nodiscard]] std::size_t batch_of(Kind kind) const noexcept;
  [[nodiscard]] bool new_protocol() const noexcept { return writer_.protocol_ >= 4; }

  PickleWriter& writer_;
  static constexpr std::size_t k_recent_bits = 7;

  std::array<RecentText, std::size_t{1} << k_recent_bits> recent_;
  std::vector<Level> levels_;
  std::vector<Postponed> postponed_;  // by the shared tuple in progress
  std::vector<Filler> fillers_;
  std::unordered_map<const void*, std::uint32_t> memo_;
  std::size_t shared_tuples_ = 0;   // among the levels
};

}  // namespace pf::core
