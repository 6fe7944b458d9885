#include <pfcore/value.hpp>

#include "key_table.hpp"
#include "value_nodes.hpp"

namespace pf::core {

std::optional<bool> Value::as_bool() const noexcept {
  if (kind_ != Kind::boolean) return std::nullopt;
  return boolean_;
}

std::optional<std::int64_t> Value::as_int() const noexcept {
  if (kind_ != Kind::integer) return std::nullopt;
  return integer_;
}

std::optional<std::string_view> Value::as_big_int() const noexcept {
  if (kind_ != Kind::big_integer) return std::nullopt;
  return ValueAccess::text_of(*this);
}

std::optional<double> Value::as_number() const noexcept {
  if (kind_ == Kind::integer) return static_cast<double>(integer_);
  return as_float();
}

std::optional<double> Value::as_float() const noexcept {
  if (kind_ != Kind::floating) return std::nullopt;
  return floating_;
}

std::optional<ComplexParts> Value::as_complex() const noexcept {
  if (kind_ != Kind::complex) return std::nullopt;
  return complex_->parts;
}

std::optional<std::string_view> Value::as_str() const noexcept {
  if (kind_ != Kind::str) return std::nullopt;
  return ValueAccess::text_of(*this);
}

std::optional<std::string_view> Value::as_bytes() const noexcept {
  if (kind_ == Kind::bytes) return ValueAccess::text_of(*this);
  if (kind_ != Kind::bytearray) return std::nullopt;
  return std::string_view(static_cast<const char*>(node_->data), node_->size);
}

std::span<const Value> Value::items() const noexcept {
  if (!is_container(kind_) || kind_ == Kind::dict || node_ == nullptr) return {};
  return {static_cast<const Value*>(node_->data), node_->size};
}

std::span<const DictEntry> Value::entries() const noexcept {
  if (kind_ != Kind::dict) return {};
  return {static_cast<const DictEntry*>(node_->data), node_->size};
}

std::optional<Value> Value::find(std::string_view key) const noexcept {
  if (kind_ != Kind::dict) return std::nullopt;
  const std::optional<std::size_t> at = find_str_key(static_cast<const detail::MutableNode&>(*node_), key);
  if (!at) return std::nullopt;
  return entries()[*at].value;
}

const void* Value::identity() const noexcept {
  return is_container(kind_) || kind_ == Kind::bytearray ? node_ : nullptr;
}

bool Value::may_be_shared() const noexcept { return identity() != nullptr && node_->shared; }

}  // namespace pf::core
