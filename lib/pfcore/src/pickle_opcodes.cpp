#include "pickle_opcodes.hpp"

#include <array>

#include "pickle_ops.hpp"

namespace pf::core {
namespace {

struct Row {
  Op op;
  PickleOpcode opcode;
};

constexpr std::array k_rows{
    Row{Op::mark, {"MARK", ops::mark}},
    Row{Op::stop, {"STOP", nullptr}},
    Row{Op::pop, {"POP", ops::pop}},
    Row{Op::pop_mark, {"POP_MARK", ops::pop_mark}},
    Row{Op::dup, {"DUP", ops::dup}},
    Row{Op::float_text, {"FLOAT", ops::float_text}},
    Row{Op::int_text, {"INT", ops::int_text}},
    Row{Op::binint, {"BININT", ops::binint}},
    Row{Op::binint1, {"BININT1", ops::binint1}},
    Row{Op::long_text, {"LONG", ops::long_text}},
    Row{Op::binint2, {"BININT2", ops::binint2}},
    Row{Op::none, {"NONE", ops::none}},
    Row{Op::persid, {"PERSID", ops::refused}},
    Row{Op::binpersid, {"BINPERSID", ops::refused}},
    Row{Op::reduce, {"REDUCE", ops::reduce}},
    Row{Op::string_text, {"STRING", ops::string_text}},
    Row{Op::binstring, {"BINSTRING", ops::binstring}},
    Row{Op::short_binstring, {"SHORT_BINSTRING", ops::short_binstring}},
    Row{Op::unicode_text, {"UNICODE", ops::unicode_text}},
    Row{Op::binunicode, {"BINUNICODE", ops::binunicode}},
    Row{Op::append, {"APPEND", ops::append}},
    Row{Op::build, {"BUILD", ops::refused}},
    Row{Op::global, {"GLOBAL", ops::global}},
    Row{Op::dict, {"DICT", ops::dict}},
    Row{Op::empty_dict, {"EMPTY_DICT", ops::empty_dict}},
    Row{Op::appends, {"APPENDS", ops::appends}},
    Row{Op::get_text, {"GET", ops::get_text}},
    Row{Op::binget, {"BINGET", ops::binget}},
    Row{Op::inst, {"INST", ops::refused}},
    Row{Op::long_binget, {"LONG_BINGET", ops::long_binget}},
    Row{Op::list, {"LIST", ops::list}},
    Row{Op::empty_list, {"EMPTY_LIST", ops::empty_list}},
    Row{Op::obj, {"OBJ", ops::refused}},
    Row{Op::put_text, {"PUT", ops::put_text}},
    Row{Op::binput, {"BINPUT", ops::binput}},
    Row{Op::long_binput, {"LONG_BINPUT", ops::long_binput}},
    Row{Op::setitem, {"SETITEM", ops::setitem}},
    Row{Op::tuple, {"TUPLE", ops::tuple}},
    Row{Op::empty_tuple, {"EMPTY_TUPLE", ops::empty_tuple}},
    Row{Op::setitems, {"SETITEMS", ops::setitems}},
    Row{Op::binfloat, {"BINFLOAT", ops::binfloat}},
    Row{Op::proto, {"PROTO", ops::proto}},
    Row{Op::newobj, {"NEWOBJ", ops::refused}},
    Row{Op::ext1, {"EXT1", ops::refused}},
    Row{Op::ext2, {"EXT2", ops::refused}},
    Row{Op::ext4, {"EXT4", ops::refused}},
    Row{Op::tuple1, {"TUPLE1", ops::tuple1}},
    Row{Op::tuple2, {"TUPLE2", ops::tuple2}},
    Row{Op::tuple3, {"TUPLE3", ops::tuple3}},
    Row{Op::newtrue, {"NEWTRUE", ops::newtrue}},
    Row{Op::newfalse, {"NEWFALSE", ops::newfalse}},
    Row{Op::long1, {"LONG1", ops::long1}},
    Row{Op::long4, {"LONG4", ops::long4}},
    Row{Op::binbytes, {"BINBYTES", ops::binbytes}},
    Row{Op::short_binbytes, {"SHORT_BINBYTES", ops::short_binbytes}},
    Row{Op::short_binunicode, {"SHORT_BINUNICODE", ops::short_binunicode}},
    Row{Op::binunicode8, {"BINUNICODE8", ops::binunicode8}},
    Row{Op::binbytes8, {"BINBYTES8", ops::binbytes8}},
    Row{Op::empty_set, {"EMPTY_SET", ops::empty_set}},
    Row{Op::additems, {"ADDITEMS", ops::additems}},
    Row{Op::frozenset, {"FROZENSET", ops::frozenset}},
    Row{Op::newobj_ex, {"NEWOBJ_EX", ops::refused}},
    Row{Op::stack_global, {"STACK_GLOBAL", ops::stack_global}},
    Row{Op::memoize, {"MEMOIZE", ops::memoize}},
    Row{Op::frame, {"FRAME", ops::frame}},
    Row{Op::bytearray8, {"BYTEARRAY8", ops::bytearray8}},
    Row{Op::next_buffer, {"NEXT_BUFFER", ops::refused}},
    Row{Op::readonly_buffer, {"READONLY_BUFFER", ops::refused}},
};

}  // namespace

constinit const std::array<PickleOpcode, 256> k_pickle_opcodes = [] {
  std::array<PickleOpcode, 256> table{};
  for (const Row& row : k_rows) table[static_cast<std::uint8_t>(row.op)] = row.opcode;
  return table;
}();

}  // namespace pf::core
