// os.stat while an image is made: the original does the work, the recorder learns which path was looked at. CPython has no
// audit event for stat.
#pragma once

#include <pybind11/pybind11.h>

namespace pf::exec {

// A function to put in the place of `original` (os.stat). A caller that can only learn whether something is there and of which
// kind (os.path.exists, isfile, isdir and pathlib's) depends on just that: the file may be rewritten without harm.
[[nodiscard]] pybind11::object make_recording_stat(const pybind11::object& original);

}  // namespace pf::exec
