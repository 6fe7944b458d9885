// Decoded values as Python objects, and Python objects as values to encode. Both iterative: depth is the caller's to bound.
// The interpreter's lock is held.
#pragma once

#include <pybind11/pybind11.h>

#include <pfcore/pickle_reader.hpp>

namespace pf::plugin {

// Shared and cyclic containers keep their identity, as in pickle.loads. Throws error_already_set.
[[nodiscard]] pybind11::object to_python(const core::Value& root);

// Throws error_already_set: TypeError for what is no plain value (subclasses of plain types are none), OverflowError.
[[nodiscard]] core::Document from_python(pybind11::handle root);

}  // namespace pf::plugin
