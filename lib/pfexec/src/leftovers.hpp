// Processes that are still there although whoever started them is gone or through.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace pf::exec {

struct Leftover {
  pid_t pid = 0;
  std::string name;              // its command line, shortened
  std::string test;              // node id of the test that started it, as far as it shows: see leftovers.cpp
};

[[nodiscard]] std::vector<pid_t> children_of_self();

// Whose leftovers are meant.
struct LeftBy {
  std::vector<pid_t> spared;     // children that are nobody's leftovers
  pid_t worker = 0;              // 0: everything else that descends from this process is one
  std::string name;              // "gw0"
};

// What a worker left of the processes that came to this one (a subreaper) when their parent died, once `grace_ms` have passed or
// none is left: a helper that waits for the end of a pipe leaves by itself. Then they and their descendants are killed and reaped.
std::vector<Leftover> end_leftovers(const LeftBy& left_by, int grace_ms);

}  // namespace pf::exec
