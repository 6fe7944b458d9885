// What a Document holds: the blocks in which its values live, and the outermost value.
#pragma once

#include <pfcore/pickle_reader.hpp>

#include "decode_memory.hpp"

namespace pf::core {

struct Document::Impl {
  detail::BlockList blocks;
  Value root;
};

}  // namespace pf::core
