// The two visitors of message_fields.hpp: one writes a message as a pickle, one reads it back.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <pfcore/pickle_writer.hpp>
#include <pfcore/value.hpp>

#include "message_fields.hpp"
#include "utf8.hpp"

namespace pf::core {

using TextPairs = std::vector<std::pair<std::string, std::string>>;

// A text str must be readable by every unpickler, and what a test prints may be anything.
inline void write_text(PickleWriter& writer, std::string_view text) {
  if (is_utf8(text)) writer.str(text);
  else writer.str(repair_utf8(text));
}

// A phase that passed as nearly all do and has nothing to tell but its times. It travels as a tuple of four, which keeps
// the result of a passing test below 200 bytes.
[[nodiscard]] bool is_plain_pass(const PhaseReport& phase) noexcept;
[[nodiscard]] PhaseReport plain_pass(std::string_view when);

[[nodiscard]] std::string pack_u32(const U32List& numbers);
[[nodiscard]] U32List unpack_u32(std::string_view packed);

// ---------------------------------------------------------------- encoding

class MessageEncoder {
 public:
  explicit MessageEncoder(PickleWriter& writer) noexcept : writer_(writer) {}

  void terse() noexcept { terse_ = true; }

  template <typename T>
  void field(std::string_view key, const T& member) {
    if (terse_ && is_empty(member)) return;
    writer_.str(key);
    put(member);
  }
  // The same for a member whose default is not zero.
  void field(std::string_view key, std::uint32_t member, std::uint32_t usual) {
    if (terse_ && member == usual) return;
    writer_.str(key);
    put(member);
  }
  void bytes(std::string_view key, const std::string& member) {
    if (terse_ && member.empty()) return;
    writer_.field_bytes(key, member);
  }
  void bytes(std::string_view key, const OsStrings& member) {
    if (terse_ && member.empty()) return;
    writer_.str(key);
    writer_.begin_list();
    for (const std::string& entry : member) writer_.bytes(entry);
    writer_.end_list();
  }
  void environment(std::string_view key, const Environment& member) {
    writer_.str(key);
    writer_.begin_dict();
    for (const auto& [name, value] : member) {
      writer_.bytes(name);
      writer_.bytes(value);
    }
    writer_.end_dict();
  }

 private:
  template <typename T>
  static bool is_empty(const T& member) {
    if constexpr (requires { member.empty(); }) return member.empty();
    else if constexpr (std::is_arithmetic_v<T>) return member == T{};
    else return false;
  }

  void put(bool flag) { writer_.boolean(flag); }
  void put(double number) { writer_.floating(number); }
  void put(std::int64_t number) { writer_.integer(number); }
  void put(std::uint32_t number) { writer_.integer(number); }
  void put(const std::string& text) { write_text(writer_, text); }
  void put(const U32List& numbers) { writer_.bytes(pack_u32(numbers)); }

  void put(const std::pair<std::string, std::string>& pair) {
    writer_.begin_tuple();
    put(pair.first);
    put(pair.second);
    writer_.end_tuple();
  }

  // A tuple without keys: a generation has ten thousand of them.
  void put(const InputFile& input) {
    writer_.begin_tuple();
    writer_.bytes(input.path);
    for (const std::uint64_t number : {input.dev, input.ino, input.mode, input.size}) writer_.integer(std::bit_cast<std::int64_t>(number));
    writer_.integer(input.mtime_ns);
    writer_.integer(input.ctime_ns);
    writer_.bytes(input.content_hash);
    writer_.end_tuple();
  }

  void put(const PhaseReport& phase) {
    if (!is_plain_pass(phase)) {
      put_dict(phase);
      return;
    }
    writer_.begin_tuple();
    writer_.str(phase.when);
    for (const double seconds : {phase.duration_s, phase.cpu_s, phase.start_s}) writer_.floating(seconds);
    if (phase.queued_s != 0) writer_.floating(phase.queued_s);
    writer_.end_tuple();
  }

  template <typename T>
  void put(const std::vector<T>& list) {
    writer_.begin_list();
    for (const T& entry : list) put(entry);
    writer_.end_list();
  }

  template <typename T>
    requires std::is_aggregate_v<T>
  void put(const T& part) {
    put_dict(part);
  }

  template <typename T>
  void put_dict(const T& part) {
    writer_.begin_dict();
    MessageEncoder nested(writer_);
    fields(nested, part);
    writer_.end_dict();
  }

  PickleWriter& writer_;
  bool terse_ = false;
};

// ---------------------------------------------------------------- decoding

// What the parts of one message may still take, in bytes.
class MessageBudget {
 public:
  explicit MessageBudget(std::size_t bytes) noexcept : left_(bytes) {}
  [[nodiscard]] bool spend(std::size_t count, std::size_t bytes_each) noexcept {
    overdrawn_ = overdrawn_ || count > left_ / bytes_each;
    if (!overdrawn_) left_ -= count * bytes_each;
    return !overdrawn_;
  }
  [[nodiscard]] bool overdrawn() const noexcept { return overdrawn_; }

 private:
  std::size_t left_;
  bool overdrawn_ = false;
};

// Reads a dict's entries by key. Keys are expected in the order in which an encoder writes them, found anywhere.
class MessageDecoder {
 public:
  MessageDecoder(const Value& dict, MessageBudget& budget) noexcept : budget_(budget), entries_(dict.entries()) {}

  void terse() noexcept {}

  template <typename T>
  void field(std::string_view key, T& member) {
    read(key, [&](const Value& value) { return get(value, member); });
  }
  void field(std::string_view key, std::uint32_t& member, std::uint32_t) { field(key, member); }
  template <typename T>
  void bytes(std::string_view key, T& member) {
    read(key, [&](const Value& value) { return get_bytes(value, member); });
  }
  void environment(std::string_view key, Environment& member) {
    read(key, [&](const Value& value) { return get_environment(value, member); });
  }

  // The first field that was of the wrong kind ("options.workers") or over the budget, or empty.
  [[nodiscard]] const std::string& wrong_field() const noexcept { return wrong_; }

 private:
  [[nodiscard]] const Value* find(std::string_view key) noexcept;

  template <typename Get>
  void read(std::string_view key, Get&& get_value) {
    if (!wrong_.empty()) return;
    const Value* value = find(key);
    if (value == nullptr || get_value(*value)) return;
    wrong_ = nested_.empty() ? std::string(key) : std::string(key) + "." + nested_;
  }

  static bool get(const Value& value, bool& member) noexcept;
  static bool get(const Value& value, double& member) noexcept;
  static bool get(const Value& value, std::int64_t& member) noexcept;
  static bool get(const Value& value, std::uint32_t& member) noexcept;
  bool copy(std::string_view text, std::string& member);
  bool get(const Value& value, std::string& member);
  bool get(const Value& value, U32List& member);
  bool get(const Value& value, std::pair<std::string, std::string>& member);
  bool get(const Value& value, InputFile& member);
  bool get_plain_pass(const Value& value, PhaseReport& member);
  bool get_bytes(const Value& value, std::string& member);
  bool get_bytes(const Value& value, OsStrings& member);
  bool get_environment(const Value& value, Environment& member);

  static bool is_sequence(const Value& value) noexcept { return value.kind() == Kind::list || value.kind() == Kind::tuple; }

  template <typename T>
  bool get(const Value& value, std::vector<T>& member) {
    if (!is_sequence(value)) return false;
    if (!budget_.spend(value.items().size(), sizeof(T))) return false;
    member.clear();
    member.reserve(value.items().size());
    for (const Value& item : value.items()) {
      if (!get(item, member.emplace_back())) return false;
    }
    return true;
  }

  template <typename T>
    requires std::is_aggregate_v<T>
  bool get(const Value& value, T& member) {
    return get_dict(value, member);
  }
  bool get(const Value& value, PhaseReport& member) {
    return value.kind() == Kind::tuple ? get_plain_pass(value, member) : get_dict(value, member);
  }

  template <typename T>
  bool get_dict(const Value& value, T& member) {
    if (value.kind() != Kind::dict) return false;
    MessageDecoder decoder(value, budget_);
    fields(decoder, member);
    nested_ = decoder.wrong_;
    return nested_.empty();
  }

  MessageBudget& budget_;
  std::span<const DictEntry> entries_;
  std::size_t at_ = 0;         // where the next key is expected
  std::string wrong_;
  std::string nested_;
};

}  // namespace pf::core
