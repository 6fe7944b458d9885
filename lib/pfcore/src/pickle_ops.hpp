// The opcodes by family; the table of all of them is in pickle_opcodes.cpp.
#pragma once

#include "pickle_machine.hpp"

namespace pf::core::ops {

// ---- pickle_ops_scalars.cpp
bool proto(PickleMachine& machine);
bool frame(PickleMachine& machine);
bool none(PickleMachine& machine);
bool newtrue(PickleMachine& machine);
bool newfalse(PickleMachine& machine);
bool int_text(PickleMachine& machine);
bool long_text(PickleMachine& machine);
bool binint(PickleMachine& machine);
bool binint1(PickleMachine& machine);
bool binint2(PickleMachine& machine);
bool long1(PickleMachine& machine);
bool long4(PickleMachine& machine);
bool float_text(PickleMachine& machine);
bool binfloat(PickleMachine& machine);
bool string_text(PickleMachine& machine);
bool unicode_text(PickleMachine& machine);
bool binstring(PickleMachine& machine);
bool short_binstring(PickleMachine& machine);
bool binunicode(PickleMachine& machine);
bool short_binunicode(PickleMachine& machine);
bool binunicode8(PickleMachine& machine);
bool binbytes(PickleMachine& machine);
bool short_binbytes(PickleMachine& machine);
bool binbytes8(PickleMachine& machine);
bool bytearray8(PickleMachine& machine);

// ---- pickle_ops_containers.cpp: stack, memo, containers
bool mark(PickleMachine& machine);
bool pop(PickleMachine& machine);
bool pop_mark(PickleMachine& machine);
bool dup(PickleMachine& machine);
bool put_text(PickleMachine& machine);
bool binput(PickleMachine& machine);
bool long_binput(PickleMachine& machine);
bool memoize(PickleMachine& machine);
bool get_text(PickleMachine& machine);
bool binget(PickleMachine& machine);
bool long_binget(PickleMachine& machine);
bool empty_tuple(PickleMachine& machine);
bool tuple1(PickleMachine& machine);
bool tuple2(PickleMachine& machine);
bool tuple3(PickleMachine& machine);
bool tuple(PickleMachine& machine);
bool empty_list(PickleMachine& machine);
bool list(PickleMachine& machine);
bool append(PickleMachine& machine);
bool appends(PickleMachine& machine);
bool empty_dict(PickleMachine& machine);
bool dict(PickleMachine& machine);
bool setitem(PickleMachine& machine);
bool setitems(PickleMachine& machine);
bool empty_set(PickleMachine& machine);
bool additems(PickleMachine& machine);
bool frozenset(PickleMachine& machine);

// ---- pickle_ops_calls.cpp
bool global(PickleMachine& machine);
bool stack_global(PickleMachine& machine);
bool reduce(PickleMachine& machine);
bool refused(PickleMachine& machine);

}  // namespace pf::core::ops
