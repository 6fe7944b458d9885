// The canonical text of a Value: bit exact, and independent of hash seeds and of how the pickle was written. For tests
// and tools; two Values have the same text if and only if Python could not tell them apart, NaNs and their payloads,
// types, insertion order and shared containers included.
//
// Source of the format: README of the pickle corpus (test/data/pickle_frames.md).
#pragma once

#include <cstddef>
#include <string>

#include <pfcore/export.hpp>
#include <pfcore/value.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// Iterative. A container that is met again is written as a reference; a str or bytes is written each time, so that the
// text of a value made for it is long: from `most_bytes` on it is cut off.
[[nodiscard]] std::string canonical_text(const Value& value, std::size_t most_bytes = static_cast<std::size_t>(-1));

}  // namespace pf::core
PF_CORE_API_END
