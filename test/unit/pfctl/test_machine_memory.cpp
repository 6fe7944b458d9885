#include <doctest/doctest.h>

#include <pfctl/machine_memory.hpp>

#include "scratch.hpp"

using namespace pf::ctl;
using test::Scratch;

namespace {

MemoryFiles files_of(const Scratch& scratch, const char* groups) {
  MemoryFiles files;
  files.self_cgroup = scratch.file("cgroup", groups);
  files.cgroup_mount = scratch / "fs";
  files.meminfo = scratch / "meminfo";
  files.vmstat = scratch / "vmstat";
  return files;
}

}  // namespace

TEST_SUITE("pfctl/machine_memory") {
  TEST_CASE("this machine has some, and some of it is free") {
    CHECK(machine_memory_bytes() > (std::int64_t{64} << 20));
    CHECK(free_memory_bytes().value_or(0) > 0);
    CHECK(free_memory_bytes().value_or(0) <= machine_memory_bytes());
    CHECK(oom_kills() >= 0);
  }

  TEST_CASE("the least limit of a group and of those above it counts") {
    const Scratch scratch;
    const MemoryFiles files = files_of(scratch, "3:cpu:/old\n0::/user/job\n");
    CHECK(cgroup_memory_limit(files) == 0);
    scratch.file("fs/user/job/memory.max", "max\n");
    CHECK(cgroup_memory_limit(files) == 0);
    scratch.file("fs/user/job/memory.max", "3000000\n");
    CHECK(cgroup_memory_limit(files) == 3000000);
    scratch.file("fs/user/memory.max", "2000000\n");
    CHECK(cgroup_memory_limit(files) == 2000000);
    scratch.file("fs/memory.max", "1000000\n");
    CHECK(cgroup_memory_limit(files) == 1000000);
  }

  TEST_CASE("groups of version 1 count as well") {
    const Scratch scratch;
    const MemoryFiles files = files_of(scratch, "4:cpu,memory:/job\n0::/\n");
    scratch.file("fs/memory/job/memory.limit_in_bytes", "5000000\n");
    CHECK(cgroup_memory_limit(files) == 5000000);
    scratch.file("fs/memory/job/memory.usage_in_bytes", "3500000\n");
    scratch.file("fs/memory/job/memory.stat", "inactive_file 1\ntotal_inactive_file 500000\n");
    CHECK(free_memory_bytes(files) == 2000000);
    scratch.file("fs/memory/job/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
    CHECK(oom_kills(files) == 3);
  }

  TEST_CASE("free is what the machine has and every group leaves") {
    const Scratch scratch;
    const MemoryFiles files = files_of(scratch, "0::/job\n");
    CHECK_FALSE(free_memory_bytes(files).has_value());
    scratch.file("meminfo", "MemTotal:       16000000 kB\nMemFree:          100 kB\nMemAvailable:      2000 kB\n");
    CHECK(free_memory_bytes(files) == 2000 * 1024);
    scratch.file("fs/job/memory.max", "1000000\n");
    scratch.file("fs/job/memory.current", "900000\n");
    CHECK(free_memory_bytes(files) == 100000);
    scratch.file("fs/job/memory.stat", "anon 700000\ninactive_file 200000\n");
    CHECK(free_memory_bytes(files) == 300000);
    scratch.file("fs/job/memory.current", "1900000\n");
    CHECK(free_memory_bytes(files) == 0);
  }

  TEST_CASE("the group's count of kills goes before the machine's") {
    const Scratch scratch;
    const MemoryFiles files = files_of(scratch, "0::/job\n");
    CHECK(oom_kills(files) == 0);
    scratch.file("vmstat", "nr_free_pages 5\noom_kill 7\n");
    CHECK(oom_kills(files) == 7);
    scratch.file("fs/job/memory.events", "low 0\noom 9\noom_kill 2\noom_group_kill 0\n");
    CHECK(oom_kills(files) == 2);
  }

  TEST_CASE("nothing to read is no limit") {
    const Scratch scratch;
    MemoryFiles files = files_of(scratch, "1:name=systemd:/\n");
    CHECK(cgroup_memory_limit(files) == 0);
    files.self_cgroup = scratch / "none";
    CHECK(cgroup_memory_limit(files) == 0);
  }
}
