#include <doctest/doctest.h>

#include <sched.h>

#include <thread>

#include <pfctl/worker_count.hpp>

#include "scratch.hpp"

using namespace pf::ctl;
using test::Scratch;

TEST_SUITE("pfctl/worker_count") {
  TEST_CASE("the affinity mask bounds the default") {
    CHECK(default_worker_count() >= 1);
    std::thread([] {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &one);
      REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
      CHECK(default_worker_count() == 1);
    }).join();
  }

  TEST_CASE("a version 2 quota counts, rounded up, and so does that of every parent") {
    const Scratch scratch;
    const std::string self = scratch.file("cgroup", "0::/user/job\n");
    CHECK(cgroup_cpu_limit(self, scratch / "fs") == 0);
    scratch.file("fs/user/job/cpu.max", "max 100000\n");
    CHECK(cgroup_cpu_limit(self, scratch / "fs") == 0);
    scratch.file("fs/user/job/cpu.max", "350000 100000\n");
    CHECK(cgroup_cpu_limit(self, scratch / "fs") == 4);
    scratch.file("fs/user/cpu.max", "150000 100000\n");
    CHECK(cgroup_cpu_limit(self, scratch / "fs") == 2);
    scratch.file("fs/cpu.max", "10000 100000\n");
    CHECK(cgroup_cpu_limit(self, scratch / "fs") == 1);
  }

  TEST_CASE("in a container the mount's top is the own group") {
    const Scratch scratch;
    const std::string self = scratch.file("cgroup", "0::/\n");
    scratch.file("fs/cpu.max", "200000 100000\n");
    CHECK(cgroup_cpu_limit(self, scratch / "fs") == 2);
  }

  TEST_CASE("a version 1 quota counts") {
    const Scratch scratch;
    const std::string self = scratch.file("cgroup", "5:cpu,cpuacct:/job\n3:memory:/job\n0::/\n");
    scratch.file("fs/cpu,cpuacct/job/cpu.cfs_quota_us", "250000\n");
    scratch.file("fs/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
    CHECK(cgroup_cpu_limit(self, scratch / "fs") == 3);
    scratch.file("fs/cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n");
    CHECK(cgroup_cpu_limit(self, scratch / "fs") == 0);
  }

  TEST_CASE("odd files mean no quota") {
    const Scratch scratch;
    for (const char* content : {"", "max", "x y", "1 0", "0 100000", "100000"}) {
      scratch.file("fs/cpu.max", content);
      CHECK(cgroup_cpu_limit(scratch.file("cgroup", "0::/\nrubbish\n"), scratch / "fs") == 0);
    }
    CHECK(cgroup_cpu_limit(scratch / "none", scratch / "fs") == 0);
  }
}
