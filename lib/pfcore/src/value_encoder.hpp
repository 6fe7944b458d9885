// Writes a Value with all that hangs on it, for PickleWriter::value. Iterative.
//
// A container that may be met again is memoised. A tuple can be memoised only after its elements, and one of them may
// lead back to it through a list or dict. So inside a shared tuple a list or dict is written empty, and filled when the
// outermost shared tuple is done and memoised: no element is ever written twice. (CPython writes the tuple's elements a
// second time inside themselves and drops them, which is quadratic for a graph that is made for it.)
#pragma once

#include <cstdint>
#include <optional>
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
  // A container of which the elements before `next` have been written.
  struct Level {
    Value container;
    std::size_t next = 0;
    bool was_postponed = false;     // it comes from the memo and is dropped from the stack in the end
    bool is_shared_tuple = false;
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

  void begin(const Value& value);
  void begin_tuple(const Value& value);
  void begin_set(const Value& value);
  void begin_mutable(const Value& value);
  void fill_next(Filler& filler);
  void next_element(Level& level);
  void finish(const Level& level);
  void put_scalar(const Value& value);
  void put_text(const Value& value);
  void put_bytearray(const Value& value);
  void put_complex(const Value& value);
  void remember(const Value& value);
  [[nodiscard]] bool put_known(const Value& value);
  [[nodiscard]] bool new_protocol() const noexcept { return writer_.protocol_ >= 4; }

  PickleWriter& writer_;
  std::vector<Level> levels_;
  std::vector<Postponed> postponed_;  // by the shared tuple in progress
  std::vector<Filler> fillers_;
  std::unordered_map<const void*, std::uint32_t> memo_;
  std::size_t shared_tuples_ = 0;   // among the levels
};

}  // namespace pf::core
