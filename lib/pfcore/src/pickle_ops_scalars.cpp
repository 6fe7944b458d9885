// Opcodes that make values without parts.
#include <bit>
#include <cstdint>
#include <cstring>

#include "pickle_ops.hpp"
#include "pickle_text.hpp"

namespace pf::core::ops {
namespace {

bool bad_int(PickleMachine& machine) { return machine.fail(ErrorCode::malformed, "this is no int"); }

// Two's complement of any length.
bool push_int_bytes(PickleMachine& machine, std::string_view little_endian) {
  const std::string_view bytes = least_twos_complement(little_endian);
  if (bytes.size() <= sizeof(std::int64_t)) {
    return machine.push_new(ValueAccess::integer(twos_complement_to_int64(bytes)));
  }
  return machine.push_copied_text(Kind::big_integer, bytes);
}

bool push_decimal(PickleMachine& machine, std::string_view decimal) {
  if (!is_decimal(decimal)) return bad_int(machine);
  const std::size_t digits = decimal.size() - (decimal.starts_with('-') ? 1 : 0);
  if (digits > machine.limits().max_int_digits) return machine.fail(ErrorCode::limit, "an int of too many digits");
  if (const auto value = decimal_to_int64(decimal)) return machine.push_new(ValueAccess::integer(*value));
  return push_int_bytes(machine, decimal_to_twos_complement(decimal));
}

bool push_binary_int(PickleMachine& machine, std::size_t bytes) {
  std::uint64_t value = 0;
  return machine.read_number(bytes, value) && machine.push_new(ValueAccess::integer(static_cast<std::int64_t>(value)));
}

bool push_long(PickleMachine& machine, std::uint64_t bytes) {
  // LONG4's length is signed: a negative one is over this limit, too.
  if (bytes > machine.limits().max_int_bytes) return machine.fail(ErrorCode::limit, "an int of too many bytes");
  std::string_view little_endian;
  return machine.read(bytes, little_endian) && push_int_bytes(machine, little_endian);
}

bool read_counted(PickleMachine& machine, std::size_t length_bytes, std::string_view& text) {
  std::uint64_t length = 0;
  return machine.read_number(length_bytes, length) && machine.read(length, text);
}

bool push_counted(PickleMachine& machine, Kind kind, std::size_t length_bytes) {
  std::string_view text;
  return read_counted(machine, length_bytes, text) && machine.push_text(kind, text);
}

// Python 2's str: ASCII is text to every reader, and anything else depends on the reader.
bool push_ascii(PickleMachine& machine, std::size_t length_bytes) {
  std::string_view text;
  if (!read_counted(machine, length_bytes, text)) return false;
  for (const char c : text) {
    if (static_cast<std::uint8_t>(c) >= 0x80) return machine.fail(ErrorCode::malformed, "the text is not ASCII");
  }
  return machine.push_text(Kind::str, text);
}

}  // namespace

bool proto(PickleMachine& machine) {
  constexpr std::uint64_t k_highest_protocol = 5;
  const bool first = machine.at_start();
  std::uint64_t protocol = 0;
  if (!machine.read_number(1, protocol)) return false;
  if (!first) return machine.fail(ErrorCode::malformed, "it is not the first opcode");
  return protocol <= k_highest_protocol || machine.fail(ErrorCode::malformed, "a protocol that does not exist");
}

bool frame(PickleMachine& machine) {
  std::uint64_t bytes = 0;
  return machine.read_number(8, bytes) && machine.begin_frame(bytes);
}

bool none(PickleMachine& machine) { return machine.push_new(Value()); }
bool newtrue(PickleMachine& machine) { return machine.push_new(ValueAccess::boolean(true)); }
bool newfalse(PickleMachine& machine) { return machine.push_new(ValueAccess::boolean(false)); }

bool int_text(PickleMachine& machine) {
  std::string_view line;
  if (!machine.read_line(line)) return false;
  if (line == "00" || line == "01") return machine.push_new(ValueAccess::boolean(line == "01"));
  // CPython's C reader takes any two characters of value 0 for False, its Python reader does not.
  if (line == "-0") return bad_int(machine);
  return push_decimal(machine, line);
}

bool long_text(PickleMachine& machine) {
  std::string_view line;
  if (!machine.read_line(line)) return false;
  if (line.ends_with('L')) line.remove_suffix(1);
  return push_decimal(machine, line);
}

bool binint(PickleMachine& machine) {
  std::uint64_t bits = 0;
  if (!machine.read_number(4, bits)) return false;
  return machine.push_new(ValueAccess::integer(static_cast<std::int32_t>(static_cast<std::uint32_t>(bits))));
}
bool binint1(PickleMachine& machine) { return push_binary_int(machine, 1); }
bool binint2(PickleMachine& machine) { return push_binary_int(machine, 2); }

bool long1(PickleMachine& machine) {
  std::uint64_t bytes = 0;
  return machine.read_number(1, bytes) && push_long(machine, bytes);
}

bool long4(PickleMachine& machine) {
  std::uint64_t bytes = 0;
  return machine.read_number(4, bytes) && push_long(machine, bytes);
}

bool float_text(PickleMachine& machine) {
  std::string_view line;
  if (!machine.read_line(line)) return false;
  const std::optional<double> value = parse_float(line);
  if (!value) return machine.fail(ErrorCode::malformed, "this is no float");
  return machine.push_floating(*value);
}

bool binfloat(PickleMachine& machine) {
  std::uint64_t bits = 0;
  if (!machine.read_number(8, bits)) return false;
  return machine.push_floating(std::bit_cast<double>(__builtin_bswap64(bits)));  // the one big-endian number
}

bool string_text(PickleMachine& machine) {
  std::string_view line;
  if (!machine.read_line(line)) return false;
  const bool quoted = line.size() >= 2 && (line[0] == '\'' || line[0] == '"') && line.back() == line[0];
  if (!quoted) return machine.fail(ErrorCode::malformed, "the text is not quoted");
  const std::string_view text = line.substr(1, line.size() - 2);
  const std::optional<std::size_t> size = decode_repr(text, line[0], nullptr);
  if (!size) return machine.fail(ErrorCode::malformed, "the text is no repr of an ASCII str");
  char* const decoded = machine.allocate(*size + 1);
  if (decoded == nullptr) return false;
  decode_repr(text, line[0], decoded);
  return machine.push_new(ValueAccess::text(Kind::str, {decoded, *size}));
}

bool unicode_text(PickleMachine& machine) {
  std::string_view line;
  if (!machine.read_line(line)) return false;
  const std::optional<std::size_t> size = decode_raw_unicode(line, nullptr);
  if (!size) return machine.fail(ErrorCode::malformed, "the text has a broken escape");
  char* const decoded = machine.allocate(*size + 1);
  if (decoded == nullptr) return false;
  decode_raw_unicode(line, decoded);
  return machine.push_new(ValueAccess::text(Kind::str, {decoded, *size}));
}

bool binstring(PickleMachine& machine) { return push_ascii(machine, 4); }
bool short_binstring(PickleMachine& machine) { return push_ascii(machine, 1); }
bool binunicode(PickleMachine& machine) { return push_counted(machine, Kind::str, 4); }
bool short_binunicode(PickleMachine& machine) { return push_counted(machine, Kind::str, 1); }
bool binunicode8(PickleMachine& machine) { return push_counted(machine, Kind::str, 8); }
bool binbytes(PickleMachine& machine) { return push_counted(machine, Kind::bytes, 4); }
bool short_binbytes(PickleMachine& machine) { return push_counted(machine, Kind::bytes, 1); }
bool binbytes8(PickleMachine& machine) { return push_counted(machine, Kind::bytes, 8); }

bool bytearray8(PickleMachine& machine) {
  std::string_view bytes;
  return read_counted(machine, 8, bytes) && machine.push_bytearray(bytes, true);
}

}  // namespace pf::core::ops
