#include <doctest/doctest.h>

#include <pfctl/machine_memory.hpp>

#include "scratch.hpp"

using namespace pf::ctl;
using test::Scratch;

TEST_SUITE("pfctl/machine_memory") {
  TEST_CASE("this machine has some") { CHECK(machine_memory_bytes() > (std::int64_t{64} << 20)); }

  TEST_CASE("the least limit of a group and of those above it counts") {
    const Scratch scratch;
    const std::string self = scratch.file("cgroup", "3:memory:/old\n0::/user/job\n");
    CHECK(cgroup_memory_limit(self, scratch / "fs") == 0);
    scratch.file("fs/user/job/memory.max", "max\n");
    CHECK(cgroup_memory_limit(self, scratch / "fs") == 0);
    scratch.file("fs/user/job/memory.max", "3000000\n");
    CHECK(cgroup_memory_limit(self, scratch / "fs") == 3000000);
    scratch.file("fs/user/memory.max", "2000000\n");
    CHECK(cgroup_memory_limit(self, scratch / "fs") == 2000000);
    scratch.file("fs/memory.max", "1000000\n");
    CHECK(cgroup_memory_limit(self, scratch / "fs") == 1000000);
  }

  TEST_CASE("nothing to read is no limit") {
    const Scratch scratch;
    CHECK(cgroup_memory_limit(scratch / "none", scratch / "fs") == 0);
    CHECK(cgroup_memory_limit(scratch.file("cgroup", "1:name=systemd:/\n"), scratch / "fs") == 0);
  }
}
