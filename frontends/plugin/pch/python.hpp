// Precompiled: what talks to Python.
#include <pybind11/pybind11.h>
