// Opcodes that move values: stack, memo, containers.
#include "pickle_ops.hpp"
#include "pickle_text.hpp"

namespace pf::core::ops {
namespace {

bool read_index_line(PickleMachine& machine, std::uint64_t& index) {
  std::string_view line;
  if (!machine.read_line(line)) return false;
  const std::optional<std::int64_t> value = is_decimal(line) ? decimal_to_int64(line) : std::nullopt;
  if (!value || line.starts_with('-')) return machine.fail(ErrorCode::malformed, "this is no memo index");
  index = static_cast<std::uint64_t>(*value);
  return true;
}

bool push_slice(PickleMachine& machine, Kind kind) {
  std::size_t count = 0;
  return machine.open_slice(count) && machine.push_container(kind, count);
}

bool add_slice(PickleMachine& machine, Kind kind) {
  std::size_t count = 0;
  return machine.open_slice(count) && machine.add_to(kind, count);
}

}  // namespace

bool mark(PickleMachine& machine) { return machine.push_mark(); }
bool pop(PickleMachine& machine) { return machine.pop(); }
bool pop_mark(PickleMachine& machine) { return machine.pop_mark(); }

bool dup(PickleMachine& machine) {
  if (!machine.need(1)) return false;
  if (machine.top().kind() == k_kind_global) return machine.fail(ErrorCode::refused, "a class can only be called");
  return machine.push_again(machine.top());
}

bool put_text(PickleMachine& machine) {
  std::uint64_t index = 0;
  return read_index_line(machine, index) && machine.memo_put(index);
}
bool binput(PickleMachine& machine) {
  std::uint64_t index = 0;
  return machine.read_number(1, index) && machine.memo_put(index);
}
bool long_binput(PickleMachine& machine) {
  std::uint64_t index = 0;
  return machine.read_number(4, index) && machine.memo_put(index);
}
bool memoize(PickleMachine& machine) { return machine.memo_put_next(); }

bool get_text(PickleMachine& machine) {
  std::uint64_t index = 0;
  return read_index_line(machine, index) && machine.memo_get(index);
}
bool binget(PickleMachine& machine) {
  std::uint64_t index = 0;
  return machine.read_number(1, index) && machine.memo_get(index);
}
bool long_binget(PickleMachine& machine) {
  std::uint64_t index = 0;
  return machine.read_number(4, index) && machine.memo_get(index);
}

bool empty_tuple(PickleMachine& machine) { return machine.push_tuple(0); }
bool tuple1(PickleMachine& machine) { return machine.need(1) && machine.push_tuple(1); }
bool tuple2(PickleMachine& machine) { return machine.need(2) && machine.push_tuple(2); }
bool tuple3(PickleMachine& machine) { return machine.need(3) && machine.push_tuple(3); }
bool tuple(PickleMachine& machine) {
  std::size_t count = 0;
  return machine.open_slice(count) && machine.push_tuple(count);
}

bool empty_list(PickleMachine& machine) { return machine.push_container(Kind::list, 0); }
bool list(PickleMachine& machine) { return push_slice(machine, Kind::list); }
bool append(PickleMachine& machine) { return machine.add_to(Kind::list, 1); }
bool appends(PickleMachine& machine) { return add_slice(machine, Kind::list); }

bool empty_dict(PickleMachine& machine) { return machine.push_container(Kind::dict, 0); }
bool dict(PickleMachine& machine) { return push_slice(machine, Kind::dict); }
bool setitem(PickleMachine& machine) { return machine.add_to(Kind::dict, 2); }
bool setitems(PickleMachine& machine) { return add_slice(machine, Kind::dict); }

bool empty_set(PickleMachine& machine) { return machine.push_container(Kind::set, 0); }
bool additems(PickleMachine& machine) { return add_slice(machine, Kind::set); }
bool frozenset(PickleMachine& machine) { return push_slice(machine, Kind::frozenset); }

}  // namespace pf::core::ops
