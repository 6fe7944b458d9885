#include <doctest/doctest.h>

#include <sys/inotify.h>
#include <sys/resource.h>

#include <pfctl/machine_limits.hpp>
#include <pfctl/worker_count.hpp>

#include "scratch.hpp"

using namespace pf::ctl;
using test::Scratch;

TEST_SUITE("pfctl/machine_limits") {
  TEST_CASE("descriptors are those of this process") {
    struct rlimit limit {};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    const MachineLimits limits = machine_limits();
    if (limit.rlim_cur != RLIM_INFINITY) CHECK(limits.descriptors == static_cast<std::int64_t>(limit.rlim_cur));
    CHECK(limits.processes_used >= 1);
    CHECK(limits.memory_available_bytes > 0);
  }

  TEST_CASE("watches in use are counted") {
    const Scratch scratch;
    const pf::core::UniqueFd watch(::inotify_init1(IN_CLOEXEC));
    REQUIRE(watch.valid());
    const MachineLimits before = machine_limits();
    CHECK(before.watch_instances_used >= 1);
    for (int i = 0; i < 50; ++i) REQUIRE(::inotify_add_watch(watch.get(), scratch.folder("d" + std::to_string(i)).c_str(), IN_CREATE) >= 0);
    CHECK(machine_limits().watches_used >= 50);
  }

  TEST_CASE("a file system that keeps changes to itself has a name") {
    CHECK_FALSE(silent_file_system("/proc").empty());
    CHECK(silent_file_system("/no/such/folder") == "unknown");
  }

  TEST_CASE("there is a processor") { CHECK(affinity_cpu_count() >= default_worker_count()); }
}
