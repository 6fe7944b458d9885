// Makes a Document that was not decoded: for whoever has values of another kind (Python objects, JSON) and wants them in
// one, to be written by PickleWriter::value. Who writes messages of his own streams them with PickleWriter instead.
//
// Not thread-safe. Fork safety: plain memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include <pfcore/export.hpp>
#include <pfcore/pickle_reader.hpp>
#include <pfcore/value.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// All functions copy what they are given, and throw std::length_error for a text or container of more than
// k_most_value_bytes bytes or elements, std::bad_alloc without memory. Values stay valid as long as the builder, and then
// as long as the Document.
inline constexpr std::size_t k_most_value_bytes = 0xFFFFFFFE;

class ValueBuilder {
 public:
  ValueBuilder();
  ValueBuilder(const ValueBuilder&) = delete;
  ValueBuilder& operator=(const ValueBuilder&) = delete;
  ~ValueBuilder();

  [[nodiscard]] Value boolean(bool value) noexcept;
  [[nodiscard]] Value integer(std::int64_t value) noexcept;
  // Two's complement, little-endian, of any number of bytes; none are zero. What fits in 64 bits becomes an integer.
  [[nodiscard]] Value integer(std::string_view twos_complement);
  [[nodiscard]] Value floating(double value) noexcept;
  [[nodiscard]] Value complex(ComplexParts parts);
  [[nodiscard]] Value str(std::string_view utf8);   // valid UTF-8, lone surrogates passed; the caller answers for it
  [[nodiscard]] Value bytes(std::string_view data);
  [[nodiscard]] Value bytearray(std::string_view data);

  // Tuples and frozensets are made of elements that exist.
  [[nodiscard]] Value tuple(std::span<const Value> elements);
  [[nodiscard]] Value frozenset(std::span<const Value> elements);
  // Lists, dicts and sets begin empty and are filled once, with values that may lead back to them. A dict takes key, value,
  // key, value. Nobody looks whether keys are hashable and different: the caller answers for it. Value::find is linear.
  [[nodiscard]] Value list();
  [[nodiscard]] Value dict();
  [[nodiscard]] Value set();
  void fill(const Value& container, std::span<const Value> values);

  // Says that a container or bytearray stands in more than one place: its identity is kept by writers.
  [[nodiscard]] Value again(const Value& value) noexcept;

  // The builder is empty afterwards and can be used again.
  [[nodiscard]] Document finish(const Value& root);

 private:
  [[nodiscard]] void* allocate(std::size_t bytes);
  [[nodiscard]] std::string_view copy(std::string_view text);
  [[nodiscard]] Value sequence(Kind kind, std::span<const Value> elements);
  [[nodiscard]] Value empty(Kind kind);

  std::unique_ptr<Document::Impl> document_;
  char* at_ = nullptr;      // in the newest block
  char* end_ = nullptr;
  std::uint32_t nans_ = 0;
};

}  // namespace pf::core
PF_CORE_API_END
