// The opcodes that CPython uses to look things up and to call them. Nothing is looked up or called here: the calls by
// which its writers spell a set, frozenset, bytearray or complex (and, up to protocol 2, bytes) are recognised, in
// exactly the form they are written, and everything else is refused. Source of the forms: Lib/pickle.py (save_bytes,
// save_bytearray, save_set, save_frozenset) and the types' __reduce_ex__.
#include <array>
#include <span>

#include "pickle_ops.hpp"
#include "pickle_text.hpp"

namespace pf::core::ops {
namespace {

enum class Callee : std::uint8_t { set, frozenset, bytearray, complex, bytes, encode };

struct KnownClass {
  std::string_view module;
  std::string_view name;
  Callee callee;
  bool of_python2;  // the module's name up to protocol 2
};
constexpr std::array<KnownClass, 11> k_known{{
    {"builtins", "set", Callee::set, false},
    {"builtins", "frozenset", Callee::frozenset, false},
    {"builtins", "bytearray", Callee::bytearray, false},
    {"builtins", "complex", Callee::complex, false},
    {"__builtin__", "set", Callee::set, true},
    {"__builtin__", "frozenset", Callee::frozenset, true},
    {"__builtin__", "bytearray", Callee::bytearray, true},
    {"__builtin__", "complex", Callee::complex, true},
    {"__builtin__", "bytes", Callee::bytes, true},
    {"builtins", "bytes", Callee::bytes, true},  // with fix_imports=False
    {"_codecs", "encode", Callee::encode, true},
}};

bool push_named(PickleMachine& machine, std::string_view module, std::string_view name, bool may_be_python2) {
  for (std::size_t i = 0; i < k_known.size(); ++i) {
    const KnownClass& known = k_known[i];
    if (known.of_python2 && !may_be_python2) continue;
    if (known.module == module && known.name == name) return machine.push_global(static_cast<int>(i));
  }
  return machine.fail(ErrorCode::refused, "it names something that plain values do not need");
}

bool bad_call(PickleMachine& machine) { return machine.fail(ErrorCode::refused, "a call that writes no plain value"); }

using Arguments = std::span<const Value>;

bool is_text(const Value& value, std::string_view text) { return value.as_str() == text; }

bool call_set(PickleMachine& machine, Kind kind, Arguments arguments) {
  if (arguments.size() != 1 || arguments[0].kind() != Kind::list) return bad_call(machine);
  return machine.push_set_of(kind, arguments[0]);
}

bool call_complex(PickleMachine& machine, Arguments arguments) {
  if (arguments.size() != 2) return bad_call(machine);
  const std::optional<double> real = arguments[0].as_float();
  const std::optional<double> imaginary = arguments[1].as_float();
  if (!real || !imaginary) return bad_call(machine);
  return machine.push_complex({*real, *imaginary});
}

// A str of Latin-1 characters stands for the bytes.
bool decode_to(PickleMachine& machine, Kind kind, const Value& characters) {
  const std::string_view text = *characters.as_str();
  const std::optional<std::size_t> size = decode_latin1(text, nullptr);
  if (!size) return bad_call(machine);
  char* const decoded = machine.allocate(*size + 1);
  if (decoded == nullptr) return false;
  decode_latin1(text, decoded);
  const std::string_view bytes(decoded, *size);
  if (kind == Kind::bytearray) return machine.push_bytearray(bytes, false);
  return machine.push_new(ValueAccess::text(Kind::bytes, bytes));
}

bool call_bytearray(PickleMachine& machine, bool may_be_empty, bool of_python2, Arguments arguments) {
  if (arguments.empty()) return may_be_empty ? machine.push_bytearray({}, false) : bad_call(machine);
  if (arguments.size() == 1 && arguments[0].kind() == Kind::bytes) {
    const bool of_input = ValueAccess::extra(arguments[0]) == ValueAccess::k_long_text;
    return machine.push_bytearray(ValueAccess::text_of(arguments[0]), of_input);
  }
  const bool by_codec =
      of_python2 && arguments.size() == 2 && arguments[0].kind() == Kind::str && is_text(arguments[1], "latin-1");
  return by_codec ? decode_to(machine, Kind::bytearray, arguments[0]) : bad_call(machine);
}

bool call_encode(PickleMachine& machine, Arguments arguments) {
  const bool by_codec = arguments.size() == 2 && arguments[0].kind() == Kind::str && is_text(arguments[1], "latin1");
  return by_codec ? decode_to(machine, Kind::bytes, arguments[0]) : bad_call(machine);
}

}  // namespace

bool global(PickleMachine& machine) {
  std::string_view module;
  std::string_view name;
  return machine.read_line(module) && machine.read_line(name) &&
         push_named(machine, module, name, machine.limits().python2_names);
}

bool stack_global(PickleMachine& machine) {
  if (!machine.need(2)) return false;
  const std::optional<std::string_view> name = machine.top(0).as_str();
  const std::optional<std::string_view> module = machine.top(1).as_str();
  if (!name || !module) return machine.fail(ErrorCode::malformed, "the names are no str");
  machine.drop(2);
  return push_named(machine, *module, *name, false);
}

bool reduce(PickleMachine& machine) {
  if (!machine.need(2)) return false;
  const Value arguments_tuple = machine.top(0);
  const Value callee = machine.top(1);
  if (callee.kind() != k_kind_global || arguments_tuple.kind() != Kind::tuple) return bad_call(machine);
  machine.drop_call();
  const KnownClass& known = k_known[static_cast<std::size_t>(ValueAccess::integer_of(callee))];
  const Arguments arguments = arguments_tuple.items();
  // A writer memoises a class before it calls it. That is what tells the empty call of one from a call by hand.
  const bool may_be_empty = !known.of_python2 || ValueAccess::extra(callee) != 0;
  switch (known.callee) {
    case Callee::set: return call_set(machine, Kind::set, arguments);
    case Callee::frozenset: return call_set(machine, Kind::frozenset, arguments);
    case Callee::bytearray: return call_bytearray(machine, may_be_empty, known.of_python2, arguments);
    case Callee::complex: return call_complex(machine, arguments);
    case Callee::bytes:
      if (!arguments.empty() || !may_be_empty) return bad_call(machine);
      return machine.push_copied_text(Kind::bytes, {});
    case Callee::encode: return call_encode(machine, arguments);
  }
  return bad_call(machine);
}

bool refused(PickleMachine& machine) { return machine.fail(ErrorCode::refused, "this opcode is never accepted"); }

}  // namespace pf::core::ops
