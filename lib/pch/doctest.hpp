// Precompiled for the unit tests.
#include <doctest/doctest.h>

#include "standard.hpp"
