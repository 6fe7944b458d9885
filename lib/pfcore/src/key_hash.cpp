#include "key_hash.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "value_nodes.hpp"

namespace pf::core {
namespace {

using detail::Node;

// Numbers hash to their residue modulo 2**61 - 1, as in CPython (Python reference, "Hashing of numeric types"): equal
// numbers of different types agree, and keys that would pile up in CPython's dict pile up here and are counted.
constexpr int k_modulus_bits = 61;
constexpr std::uint64_t k_modulus = (std::uint64_t{1} << k_modulus_bits) - 1;

constexpr std::uint64_t k_str_seed = 0x9E3779B97F4A7C15u;
constexpr std::uint64_t k_bytes_seed = 0xC2B2AE3D27D4EB4Fu;
constexpr std::uint64_t k_text_secret = 0xA0761D6478BD642Fu;
constexpr std::uint64_t k_none_hash = 0x165667B19E3779F9u;
constexpr std::uint64_t k_infinity_hash = 314159;
constexpr std::uint64_t k_tuple_seed = 0x27D4EB2F165667C5u;
constexpr std::uint64_t k_set_seed = 0x85EBCA77C2B2AE63u;

constexpr std::size_t k_bytes_a_step = 8;

std::uint64_t mix(std::uint64_t x) noexcept {
  x ^= x >> 33;
  x *= 0xFF51AFD7ED558CCDu;
  x ^= x >> 33;
  x *= 0xC4CEB9FE1A85EC53u;
  return x ^ (x >> 33);
}

std::uint64_t reduce(std::uint64_t x) noexcept {
  x = (x & k_modulus) + (x >> k_modulus_bits);
  return x >= k_modulus ? x - k_modulus : x;
}

// x * 2**bits modulo the modulus, for x below it.
std::uint64_t shift(std::uint64_t x, int bits) noexcept {
  bits %= k_modulus_bits;
  if (bits < 0) bits += k_modulus_bits;
  if (bits == 0) return x;
  return ((x << bits) & k_modulus) | (x >> (k_modulus_bits - bits));
}

std::uint64_t negate(std::uint64_t x) noexcept { return x == 0 ? 0 : k_modulus - x; }

std::uint64_t hash_integer(std::int64_t value) noexcept {
  const auto bits = static_cast<std::uint64_t>(value);
  return value < 0 ? negate(reduce(0 - bits)) : reduce(bits);
}

std::uint64_t hash_big_integer(std::string_view bytes) noexcept {
  std::uint64_t sum = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) sum = reduce(shift(sum, 8) + static_cast<std::uint8_t>(bytes[i]));
  const bool negative = (static_cast<std::uint8_t>(bytes.back()) & 0x80) != 0;
  if (!negative) return sum;
  const std::uint64_t wrap = shift(1, static_cast<int>(8 * bytes.size() % k_modulus_bits));  // 2**(8 * size)
  return reduce(sum + negate(wrap));
}

std::uint64_t hash_floating(double value, std::uint32_t nan_serial) noexcept {
  if (std::isnan(value)) return mix(nan_serial);
  if (std::isinf(value)) return value > 0 ? k_infinity_hash : negate(k_infinity_hash);
  int exponent = 0;
  const double fraction = std::frexp(std::fabs(value), &exponent);
  const auto mantissa = static_cast<std::uint64_t>(std::ldexp(fraction, 53));
  const std::uint64_t residue = shift(reduce(mantissa), exponent - 53);
  return value < 0 ? negate(residue) : residue;
}

std::uint64_t hash_complex(const Value& value) noexcept {
  const ComplexParts parts = ValueAccess::complex_of(value);
  // A complex with a NaN in it equals only itself, so that it does not matter which hash the NaN adds.
  return hash_floating(parts.real, 0) + 1000003 * hash_floating(parts.imaginary, 0);
}

template <typename Word>
std::uint64_t load(const char* at) noexcept {
  Word word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// Both halves of the product.
std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Product = unsigned __int128;
  const Product product = static_cast<Product>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// Sixteen bytes a multiplication, and the ends of the text may be read twice. After Wang Yi's wyhash. A text can be made
// to collide with others; those who do are refused for the work.
std::uint64_t hash_text(std::string_view text, std::uint64_t seed) noexcept {
  const char* at = text.data();
  std::size_t left = text.size();
  std::uint64_t sum = seed;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  if (left >= 8) {
    for (; left > 16; at += 16, left -= 16) {
      sum = fold(load<std::uint64_t>(at) ^ k_text_secret, load<std::uint64_t>(at + 8) ^ sum);
    }
    const char* const end = at + left;
    first = load<std::uint64_t>(text.size() >= 16 ? end - 16 : at);
    last = load<std::uint64_t>(end - 8);
  } else if (left >= 4) {
    first = load<std::uint32_t>(at);
    last = load<std::uint32_t>(at + left - 4);
  } else if (left > 0) {
    first = load<std::uint8_t>(at) << 16 | load<std::uint8_t>(at + left / 2) << 8 | load<std::uint8_t>(at + left - 1);
  }
  return fold(fold(first ^ k_text_secret, last ^ sum), text.size() ^ k_text_secret);
}

// Nothing for containers.
std::uint64_t hash_scalar(const Value& value) noexcept {
  switch (value.kind()) {
    case Kind::none: return k_none_hash;
    case Kind::boolean: return ValueAccess::boolean_of(value) ? 1 : 0;
    case Kind::integer: return hash_integer(ValueAccess::integer_of(value));
    case Kind::big_integer: return hash_big_integer(ValueAccess::text_of(value));
    case Kind::floating: return hash_floating(ValueAccess::floating_of(value), ValueAccess::extra(value));
    case Kind::complex: return hash_complex(value);
    case Kind::str: return hash_text(ValueAccess::text_of(value), k_str_seed);
    case Kind::bytes: return hash_text(ValueAccess::text_of(value), k_bytes_seed);
    default: return 0;
  }
}

bool is_text(Kind kind) noexcept { return kind == Kind::str || kind == Kind::bytes || kind == Kind::big_integer; }
// Of the hashable ones.
bool is_scalar(Kind kind) noexcept { return kind <= Kind::bytes; }
bool is_hashable_container(Kind kind) noexcept { return kind == Kind::tuple || kind == Kind::frozenset; }
bool is_unhashable(Kind kind) noexcept {
  return kind == Kind::list || kind == Kind::dict || kind == Kind::set || kind == Kind::bytearray || kind == k_kind_global;
}

const Value* elements(const Node& node) noexcept { return static_cast<const Value*>(node.data); }

struct HashFrame {
  const Node* node;
  std::uint32_t next;
  bool ordered;
  std::uint64_t sum;
};

std::uint64_t add_element(const HashFrame& frame, std::uint64_t hash) noexcept {
  return frame.ordered ? std::rotl(frame.sum ^ mix(hash), 29) * k_tuple_seed : frame.sum + mix(hash);
}

std::uint64_t empty_container_hash(bool ordered) noexcept { return ordered ? k_tuple_seed : k_set_seed; }

// ---------------------------------------------------------------- equality of numbers

// value == number, both exact.
bool equals_float(std::int64_t value, double number) noexcept {
  constexpr double k_two_63 = 9223372036854775808.0;
  return number >= -k_two_63 && number < k_two_63 && std::trunc(number) == number &&
         static_cast<std::int64_t>(number) == value;
}

// An integral float of 64 bits or more has the int's bytes: mantissa, shifted, negated.
bool equals_float(std::string_view big, double number) noexcept {
  if (!std::isfinite(number) || std::trunc(number) != number) return false;
  int exponent = 0;
  const auto mantissa = static_cast<std::uint64_t>(std::ldexp(std::frexp(std::fabs(number), &exponent), 53));
  if (exponent < 64) return false;  // -2**63 fits in 64 bits and is never a big integer
  const int low_bit = exponent - 53;
  constexpr std::size_t k_most_bytes = 1024 / 8 + 1;
  std::array<std::uint8_t, k_most_bytes + 1> bytes{};
  for (int bit = 0; bit < 53; ++bit) {
    if (((mantissa >> bit) & 1) == 0) continue;
    const auto at = static_cast<std::size_t>(low_bit + bit);
    bytes[at / 8] = static_cast<std::uint8_t>(bytes[at / 8] | (1u << (at % 8)));
  }
  if (number < 0) {
    unsigned carry = 1;
    for (std::uint8_t& byte : bytes) {
      const unsigned sum = static_cast<std::uint8_t>(~byte) + carry;
      byte = static_cast<std::uint8_t>(sum);
      carry = sum >> 8;
    }
  }
  if (big.size() > bytes.size() || std::memcmp(big.data(), bytes.data(), big.size()) != 0) return false;
  const std::uint8_t sign = number < 0 ? 0xFF : 0x00;
  if ((static_cast<std::uint8_t>(big.back()) & 0x80) != (sign & 0x80)) return false;
  for (std::size_t i = big.size(); i < bytes.size(); ++i) {
    if (bytes[i] != sign) return false;
  }
  return true;
}

// A bool, int of 64 bits, big int, or float; the sort of number that `kind` says.
struct Number {
  enum class Sort : std::uint8_t { none, integer, big, floating } sort = Sort::none;
  std::int64_t integer = 0;
  std::string_view big;
  double floating = 0;
};

Number real_part(const Value& value) noexcept {
  using Sort = Number::Sort;
  switch (value.kind()) {
    case Kind::boolean: return {Sort::integer, ValueAccess::boolean_of(value) ? 1 : 0, {}, 0};
    case Kind::integer: return {Sort::integer, ValueAccess::integer_of(value), {}, 0};
    case Kind::big_integer: return {Sort::big, 0, ValueAccess::text_of(value), 0};
    case Kind::floating: return {Sort::floating, 0, {}, ValueAccess::floating_of(value)};
    case Kind::complex: return {Sort::floating, 0, {}, ValueAccess::complex_of(value).real};
    default: return {};
  }
}

double imaginary_part(const Value& value) noexcept {
  return value.kind() == Kind::complex ? ValueAccess::complex_of(value).imaginary : 0.0;
}

bool equal_numbers(const Number& left, const Number& right) noexcept {
  using Sort = Number::Sort;
  if (left.sort == Sort::none || right.sort == Sort::none) return false;
  if (left.sort == right.sort) {
    if (left.sort == Sort::integer) return left.integer == right.integer;
    if (left.sort == Sort::big) return left.big == right.big;
    return left.floating == right.floating;
  }
  if (right.sort == Sort::floating) {
    return left.sort == Sort::integer ? equals_float(left.integer, right.floating) : equals_float(left.big, right.floating);
  }
  if (left.sort == Sort::floating) return equal_numbers(right, left);
  return false;
}

bool same_object(const Value& left, const Value& right) noexcept {
  if (left.kind() != right.kind()) return false;
  if (left.kind() == Kind::floating) {
    return ValueAccess::extra(left) != 0 && ValueAccess::extra(left) == ValueAccess::extra(right);
  }
  if (left.kind() == Kind::complex) return ValueAccess::complex_identity(left) == ValueAccess::complex_identity(right);
  return is_hashable_container(left.kind()) && ValueAccess::node_of(left) == ValueAccess::node_of(right);
}

// Two containers whose elements are being compared: a tuple pairwise, a frozenset each element with all of the other.
struct EqualFrame {
  const Node* left;
  const Node* right;
  std::uint32_t at;         // element of left
  std::uint32_t candidate;  // element of right
  bool ordered;
};

enum class Verdict : std::uint8_t { open, equal, unequal };

// Takes the verdict on one pair of elements into the frame: the frame's own verdict, or open when there is a next pair.
Verdict next_pair(EqualFrame& frame, bool elements_equal) noexcept {
  if (elements_equal) {
    frame.candidate = 0;
    return ++frame.at == frame.left->size ? Verdict::equal : Verdict::open;
  }
  if (frame.ordered) return Verdict::unequal;
  return ++frame.candidate == frame.right->size ? Verdict::unequal : Verdict::open;
}

}  // namespace

std::uint32_t hash_str_key(std::string_view text) noexcept {
  return static_cast<std::uint32_t>(mix(hash_text(text, k_str_seed)) >> 32);
}

KeyFault KeyHasher::hash(const Value& key, std::uint32_t& hash) {
  if (is_scalar(key.kind())) {
    // Nearly all keys are.
    count_work(is_text(key.kind()) ? 1 + ValueAccess::text_of(key).size() / k_bytes_a_step : 1);
    hash = static_cast<std::uint32_t>(mix(hash_scalar(key)) >> 32);
    return worked_too_much() ? KeyFault::too_much_work : KeyFault::none;
  }
  std::array<HashFrame, k_deepest_key> frames;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  std::size_t depth = 0;
  std::size_t nodes = 0;
  Value current = key;
  for (;;) {
    const Kind kind = current.kind();
    if (is_unhashable(kind)) return KeyFault::unhashable;
    if (++nodes > max_nodes_) return KeyFault::too_many_nodes;
    count_work(is_text(kind) ? 1 + ValueAccess::text_of(current).size() / k_bytes_a_step : 1);
    if (worked_too_much()) return KeyFault::too_much_work;
    std::uint64_t sum = 0;
    if (is_hashable_container(kind)) {
      if (depth == max_depth_) return KeyFault::too_deep;
      const Node* const node = ValueAccess::node_of(current);
      const bool ordered = kind == Kind::tuple;
      sum = empty_container_hash(ordered);
      if (node != nullptr) {
        frames[depth++] = {node, 0, ordered, sum + node->size};
        current = elements(*node)[0];
        continue;
      }
    } else {
      sum = hash_scalar(current);
    }
    // The value is done; so may be the containers that it is the last element of.
    while (depth > 0) {
      HashFrame& frame = frames[depth - 1];
      frame.sum = add_element(frame, sum);
      if (++frame.next < frame.node->size) {
        current = elements(*frame.node)[frame.next];
        break;
      }
      sum = frame.sum;
      --depth;
    }
    if (depth > 0) continue;
    hash = static_cast<std::uint32_t>(mix(sum) >> 32);
    return KeyFault::none;
  }
}

bool KeyHasher::equal_scalars(const Value& left, const Value& right) {
  const Kind kind = left.kind();
  if (kind == Kind::integer && right.kind() == kind) {
    return ValueAccess::integer_of(left) == ValueAccess::integer_of(right);
  }
  if (kind == right.kind() && is_text(kind)) {
    const std::string_view a = ValueAccess::text_of(left);
    const std::string_view b = ValueAccess::text_of(right);
    if (a.size() != b.size()) return false;
    if (a.data() == b.data()) return true;
    count_work(a.size() / k_bytes_a_step);
    return std::memcmp(a.data(), b.data(), a.size()) == 0;
  }
  if (kind == Kind::none || right.kind() == Kind::none) return kind == right.kind();
  return imaginary_part(left) == imaginary_part(right) && equal_numbers(real_part(left), real_part(right));
}

bool KeyHasher::equal(const Value& left, const Value& right) {
  std::array<EqualFrame, k_deepest_key> frames;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  std::size_t depth = 0;
  const Value* a = &left;
  const Value* b = &right;
  for (;;) {
    count_work(1);
    bool equal = false;
    if (same_object(*a, *b)) {
      equal = true;
    } else if (is_hashable_container(a->kind()) || is_hashable_container(b->kind())) {
      const Node* const x = ValueAccess::node_of(*a);
      const Node* const y = ValueAccess::node_of(*b);
      if (a->kind() == b->kind() && x != nullptr && y != nullptr && x->size == y->size) {
        frames[depth++] = {x, y, 0, 0, a->kind() == Kind::tuple};
        a = elements(*x);
        b = elements(*y);
        continue;
      }
    } else {
      equal = equal_scalars(*a, *b);
    }
    // A verdict on this pair may be the verdict on the containers around it.
    while (depth > 0) {
      EqualFrame& frame = frames[depth - 1];
      const Verdict verdict = next_pair(frame, equal);
      if (verdict == Verdict::open) {
        a = elements(*frame.left) + frame.at;
        b = elements(*frame.right) + (frame.ordered ? frame.at : frame.candidate);
        break;
      }
      equal = verdict == Verdict::equal;
      --depth;
    }
    if (depth == 0) return equal;
  }
}

}  // namespace pf::core
