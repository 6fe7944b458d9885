// The opcodes of pickle protocols 0 to 5. Source: CPython's Lib/pickletools.py.
#pragma once

#include <cstdint>

namespace pf::core {

enum class Op : std::uint8_t {
  // protocol 0
  mark = '(', stop = '.', pop = '0', dup = '2', float_text = 'F', int_text = 'I', long_text = 'L', none = 'N',
  persid = 'P', reduce = 'R', string_text = 'S', unicode_text = 'V', append = 'a', build = 'b', global = 'c', dict = 'd',
  get_text = 'g', inst = 'i', list = 'l', put_text = 'p', setitem = 's', tuple = 't',
  // protocol 1
  pop_mark = '1', binint = 'J', binint1 = 'K', binint2 = 'M', binpersid = 'Q', binstring = 'T', short_binstring = 'U',
  binunicode = 'X', empty_list = ']', appends = 'e', binget = 'h', long_binget = 'j', obj = 'o', binput = 'q',
  long_binput = 'r', empty_tuple = ')', setitems = 'u', empty_dict = '}', binfloat = 'G',
  // protocol 2
  proto = 0x80, newobj = 0x81, ext1 = 0x82, ext2 = 0x83, ext4 = 0x84, tuple1 = 0x85, tuple2 = 0x86, tuple3 = 0x87,
  newtrue = 0x88, newfalse = 0x89, long1 = 0x8A, long4 = 0x8B,
  // protocol 3
  binbytes = 'B', short_binbytes = 'C',
  // protocol 4
  short_binunicode = 0x8C, binunicode8 = 0x8D, binbytes8 = 0x8E, empty_set = 0x8F, additems = 0x90, frozenset = 0x91,
  newobj_ex = 0x92, stack_global = 0x93, memoize = 0x94, frame = 0x95,
  // protocol 5
  bytearray8 = 0x96, next_buffer = 0x97, readonly_buffer = 0x98,
};

}  // namespace pf::core
