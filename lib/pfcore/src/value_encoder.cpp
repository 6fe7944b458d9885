#include "value_encoder.hpp"

#include <span>
#include <utility>

#include "pickle_opcodes.hpp"
#include "value_nodes.hpp"

namespace pf::core {
namespace {

constexpr char code(Op op) noexcept { return static_cast<char>(op); }

constexpr std::size_t k_batch = 1000;
// Shorter bytes and ints cost less than remembering them.
constexpr std::size_t k_remember_from_bytes = 64;

// Keys and values of a dict are Values side by side.
static_assert(sizeof(DictEntry) == 2 * sizeof(Value));

std::span<const Value> elements(const Value& container) noexcept {
  const detail::Node* const node = ValueAccess::node_of(container);
  if (node == nullptr) return {};
  const std::size_t count = container.kind() == Kind::dict ? 2 * std::size_t{node->size} : node->size;
  return {static_cast<const Value*>(node->data), count};
}

}  // namespace

void ValueEncoder::encode(const Value& root) {
  begin(root);
  while (!levels_.empty() || !fillers_.empty()) {
    if (!fillers_.empty() && fillers_.back().height == levels_.size()) {
      fill_next(fillers_.back());
      continue;
    }
    // Scalars do not change the levels, and what begins a container ends the loop.
    Level& level = levels_.back();
    bool is_scalar = true;
    while (is_scalar && level.next != level.end) {
      if (level.left_in_batch == 0) end_batch(level);
      --level.left_in_batch;
      const Value& value = *level.next++;
      is_scalar = !is_container(value.kind());
      if (is_scalar) put_scalar(value);
      else begin(value);
    }
    if (!is_scalar) continue;
    const Level done = level;
    levels_.pop_back();
    finish(done);
  }
}

void ValueEncoder::open(const Value& container, bool was_postponed, bool is_shared_tuple) {
  const std::span<const Value> values = elements(container);
  const Value* const end = values.data() + values.size();
  levels_.push_back({container, values.data(), end, batch_of(container.kind()), was_postponed, is_shared_tuple});
}

std::size_t ValueEncoder::batch_of(Kind kind) const noexcept {
  if (kind == Kind::dict) return 2 * k_batch;
  return kind == Kind::list || (kind == Kind::set && new_protocol()) ? k_batch : static_cast<std::size_t>(-1);
}

void ValueEncoder::end_batch(Level& level) {
  const Kind kind = level.container.kind();
  writer_.put(code(kind == Kind::dict ? Op::setitems : kind == Kind::list ? Op::appends : Op::additems));
  writer_.put(code(Op::mark));
  level.left_in_batch = batch_of(kind);
}

void ValueEncoder::begin(const Value& value) {
  if (!is_container(value.kind())) return put_scalar(value);
  if (value.may_be_shared() && put_known(value.identity())) return;
  switch (value.kind()) {
    case Kind::tuple: return begin_tuple(value);
    case Kind::set:
    case Kind::frozenset: return begin_set(value);
    default: return begin_mutable(value);
  }
}

void ValueEncoder::begin_tuple(const Value& value) {
  const std::size_t size = elements(value).size();
  if (size == 0) return writer_.put(code(Op::empty_tuple));
  if (size > 3) writer_.put(code(Op::mark));
  const bool shared = value.may_be_shared();
  if (shared) ++shared_tuples_;
  open(value, false, shared);
}

void ValueEncoder::begin_set(const Value& value) {
  const bool is_set = value.kind() == Kind::set;
  if (!new_protocol()) {
    writer_.put_name(is_set ? PickleWriter::Name::set : PickleWriter::Name::frozenset);
    writer_.put(code(Op::empty_list));
  } else if (is_set) {
    writer_.put(code(Op::empty_set));
    remember(value);
  }
  writer_.put(code(Op::mark));
  open(value, false, false);
}

void ValueEncoder::begin_mutable(const Value& value) {
  writer_.put(code(value.kind() == Kind::list ? Op::empty_list : Op::empty_dict));
  const bool empty = elements(value).empty();
  if (shared_tuples_ > 0 && !empty) {
    const std::uint32_t index = writer_.memoize();
    if (value.may_be_shared()) memo_.emplace(value.identity(), index);
    postponed_.push_back({value, index});
    return;
  }
  remember(value);
  if (empty) return;
  writer_.put(code(Op::mark));
  open(value, false, false);
}

void ValueEncoder::fill_next(Filler& filler) {
  if (filler.containers.empty()) {
    fillers_.pop_back();
    return;
  }
  const Postponed next = filler.containers.back();
  filler.containers.pop_back();
  writer_.put_get(next.memo_index);
  writer_.put(code(Op::mark));
  open(next.container, true, false);
}

void ValueEncoder::finish(const Level& level) {
  const Value& value = level.container;
  switch (value.kind()) {
    case Kind::tuple: {
      constexpr char k_small[] = {code(Op::tuple1), code(Op::tuple2), code(Op::tuple3)};
      const std::size_t size = elements(value).size();
      writer_.put(size <= 3 ? k_small[size - 1] : code(Op::tuple));
      remember(value);
      break;
    }
    case Kind::set:
    case Kind::frozenset:
      if (!new_protocol()) {
        writer_.put(code(Op::appends));
        writer_.put(code(Op::tuple1));
        writer_.put(code(Op::reduce));
        remember(value);
      } else if (value.kind() == Kind::set) {
        writer_.put(code(Op::additems));
      } else {
        writer_.put(code(Op::frozenset));
        remember(value);
      }
      break;
    default:
      writer_.put(code(value.kind() == Kind::list ? Op::appends : Op::setitems));
      if (level.was_postponed) writer_.put(code(Op::pop));
      break;
  }
  if (!level.is_shared_tuple || --shared_tuples_ > 0 || postponed_.empty()) return;
  fillers_.push_back({levels_.size(), std::move(postponed_)});
  postponed_.clear();
}

void ValueEncoder::put_scalar(const Value& value) {
  switch (value.kind()) {
    case Kind::boolean: return writer_.put(code(ValueAccess::boolean_of(value) ? Op::newtrue : Op::newfalse));
    case Kind::integer: return writer_.put_integer(ValueAccess::integer_of(value));
    case Kind::floating: return writer_.put_floating(ValueAccess::floating_of(value));
    case Kind::complex: return put_complex(value);
    case Kind::str: return put_str(ValueAccess::text_of(value));
    case Kind::bytes:
    case Kind::big_integer: return put_text(value);
    case Kind::bytearray: return put_bytearray(value);
    default: return writer_.put(code(Op::none));
  }
}

void ValueEncoder::put_str(std::string_view text) {
  if (text.size() > PickleWriter::k_memo_most_bytes) {
    if (put_known(text.data())) return;
    writer_.put_text(text);
    memo_.emplace(text.data(), writer_.memoize());
    return;
  }
  const auto place = reinterpret_cast<std::uintptr_t>(text.data());
  RecentText& recent = recent_[(std::uint64_t{place} * 0x9E3779B97F4A7C15u) >> (64 - k_recent_bits)];
  if (recent.text == text.data() && recent.size == text.size()) return writer_.put_get(recent.memo_index);
  const std::uint32_t index = writer_.put_text(text);
  if (index != PickleWriter::k_no_memo) recent = {text.data(), static_cast<std::uint32_t>(text.size()), index};
}

// bytes or a big int. One that the pickle fetched again and again was in it once, and so it is in what is written.
void ValueEncoder::put_text(const Value& value) {
  const std::string_view text = ValueAccess::text_of(value);
  const bool is_remembered = text.size() >= k_remember_from_bytes;
  if (is_remembered && put_known(text.data())) return;
  if (value.kind() == Kind::bytes) writer_.put_bytes(text);
  else writer_.put_twos_complement(text);
  if (is_remembered) memo_.emplace(text.data(), writer_.memoize());
}

void ValueEncoder::put_complex(const Value& value) {
  const ComplexParts parts = ValueAccess::complex_of(value);
  writer_.put_name(PickleWriter::Name::complex);
  writer_.put_floating(parts.real);
  writer_.put_floating(parts.imaginary);
  writer_.put(code(Op::tuple2));
  writer_.put(code(Op::reduce));
}

void ValueEncoder::put_bytearray(const Value& value) {
  if (value.may_be_shared() && put_known(value.identity())) return;
  const std::string_view data = *value.as_bytes();
  if (writer_.protocol_ >= 5) {
    writer_.put_number(code(Op::bytearray8), data.size(), 8);
    writer_.put_raw(data);
  } else {
    writer_.put_name(PickleWriter::Name::bytearray);
    if (data.empty()) {
      writer_.put(code(Op::empty_tuple));
    } else {
      writer_.put_bytes(data);
      writer_.put(code(Op::tuple1));
    }
    writer_.put(code(Op::reduce));
  }
  remember(value);
}

void ValueEncoder::remember(const Value& value) {
  if (value.may_be_shared()) memo_.emplace(value.identity(), writer_.memoize());
}

bool ValueEncoder::put_known(const void* identity) {
  const auto known = memo_.find(identity);
  if (known == memo_.end()) return false;
  writer_.put_get(known->second);
  return true;
}

}  // namespace pf::core
