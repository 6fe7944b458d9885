#include "value_encoder.hpp"

#include <utility>

#include "pickle_opcodes.hpp"
#include "value_nodes.hpp"

namespace pf::core {
namespace {

constexpr char code(Op op) noexcept { return static_cast<char>(op); }

constexpr std::size_t k_batch = 1000;
// Shorter bytes and ints cost less than remembering them.
constexpr std::size_t k_remember_from_bytes = 64;

std::size_t element_count(const Value& container) noexcept {
  return container.kind() == Kind::dict ? 2 * container.entries().size() : container.items().size();
}

// Keys and values of a dict count separately.
const Value& element(const Value& container, std::size_t at) noexcept {
  if (container.kind() != Kind::dict) return container.items()[at];
  const DictEntry& entry = container.entries()[at / 2];
  return at % 2 == 0 ? entry.key : entry.value;
}

}  // namespace

void ValueEncoder::encode(const Value& root) {
  begin(root);
  while (!levels_.empty() || !fillers_.empty()) {
    if (!fillers_.empty() && fillers_.back().height == levels_.size()) {
      fill_next(fillers_.back());
    } else if (levels_.back().next < element_count(levels_.back().container)) {
      next_element(levels_.back());
    } else {
      const Level done = levels_.back();
      levels_.pop_back();
      finish(done);
    }
  }
}

// The level may move: it is not to be used after begin().
void ValueEncoder::next_element(Level& level) {
  const Kind kind = level.container.kind();
  const std::size_t at = level.next++;
  const bool is_dict = kind == Kind::dict;
  const bool in_batches = is_dict || kind == Kind::list || (kind == Kind::set && new_protocol());
  if (in_batches && at > 0 && at % (is_dict ? 2 * k_batch : k_batch) == 0) {
    writer_.put(code(is_dict ? Op::setitems : kind == Kind::list ? Op::appends : Op::additems));
    writer_.put(code(Op::mark));
  }
  begin(element(level.container, at));
}

void ValueEncoder::begin(const Value& value) {
  if (!is_container(value.kind())) return put_scalar(value);
  if (value.may_be_shared() && put_known(value)) return;
  switch (value.kind()) {
    case Kind::tuple: return begin_tuple(value);
    case Kind::set:
    case Kind::frozenset: return begin_set(value);
    default: return begin_mutable(value);
  }
}

void ValueEncoder::begin_tuple(const Value& value) {
  const std::size_t size = value.items().size();
  if (size == 0) return writer_.put(code(Op::empty_tuple));
  if (size > 3) writer_.put(code(Op::mark));
  const bool shared = value.may_be_shared();
  if (shared) ++shared_tuples_;
  levels_.push_back({value, 0, false, shared});
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
  levels_.push_back({value, 0, false, false});
}

void ValueEncoder::begin_mutable(const Value& value) {
  writer_.put(code(value.kind() == Kind::list ? Op::empty_list : Op::empty_dict));
  const bool empty = element_count(value) == 0;
  if (shared_tuples_ > 0 && !empty) {
    const std::uint32_t index = writer_.memoize();
    if (value.may_be_shared()) memo_.emplace(value.identity(), index);
    postponed_.push_back({value, index});
    return;
  }
  remember(value);
  if (empty) return;
  writer_.put(code(Op::mark));
  levels_.push_back({value, 0, false, false});
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
  levels_.push_back({next.container, 0, true, false});
}

void ValueEncoder::finish(const Level& level) {
  const Value& value = level.container;
  switch (value.kind()) {
    case Kind::tuple: {
      constexpr char k_small[] = {code(Op::tuple1), code(Op::tuple2), code(Op::tuple3)};
      const std::size_t size = value.items().size();
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
    case Kind::str:
    case Kind::bytes:
    case Kind::big_integer: return put_text(value);
    case Kind::bytearray: return put_bytearray(value);
    default: return writer_.put(code(Op::none));
  }
}

// A text that the pickle fetched again and again was in it once, and so it is in what is written.
void ValueEncoder::put_text(const Value& value) {
  const std::string_view text = ValueAccess::text_of(value);
  const bool by_content = value.kind() == Kind::str && text.size() <= PickleWriter::k_memo_most_bytes;
  const bool by_identity = !by_content && text.size() >= k_remember_from_bytes;
  if (by_identity) {
    if (const auto known = memo_.find(text.data()); known != memo_.end()) return writer_.put_get(known->second);
  }
  switch (value.kind()) {
    case Kind::str: writer_.put_text(text); break;
    case Kind::bytes: writer_.put_bytes(text); break;
    default: writer_.put_twos_complement(text); break;
  }
  if (by_identity) memo_.emplace(text.data(), writer_.memoize());
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
  if (value.may_be_shared() && put_known(value)) return;
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

bool ValueEncoder::put_known(const Value& value) {
  const auto known = memo_.find(value.identity());
  if (known == memo_.end()) return false;
  writer_.put_get(known->second);
  return true;
}

}  // namespace pf::core
