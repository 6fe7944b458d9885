// The canonical text of a Value: bit exact, and independent of hash seeds and of how the pickle was written. For tests
// and tools; two Values have the same text if and only if Python could not tell them apart, NaNs and their payloads,
// types, insertion order and shared containers included.
//
// Source of the format: README of the pickle corpus (test/data/pickle_frames.md).
#pragma once

#include <string>

#include <pfcore/value.hpp>

namespace pf::core {

// Iterative. The text is a few times as long as the pickle, and longer by no power of the nesting: a container that is
// met again is written as a reference.
[[nodiscard]] std::string canonical_text(const Value& value);

}  // namespace pf::core
