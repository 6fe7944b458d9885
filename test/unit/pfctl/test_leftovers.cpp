#include <doctest/doctest.h>

#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>

#include <pfctl/leftovers.hpp>

#include "scratch.hpp"

using namespace pf::ctl;
using namespace std::chrono_literals;
using test::Scratch;

namespace {

RuntimeDir runtime(const Scratch& scratch) { return std::move(open_runtime_dir(scratch.runtime_env())).value(); }

// A socket file; it accepts as long as the descriptor is open.
pf::core::UniqueFd bound(const RuntimeDir& dir, const std::string& name, bool listening) {
  pf::core::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto address = socket_address(dir.fd.get(), name).value();
  REQUIRE(::bind(fd.get(), reinterpret_cast<const struct sockaddr*>(&address), sizeof address) == 0);
  if (listening) REQUIRE(::listen(fd.get(), 1) == 0);
  return fd;
}

void make_old(const std::string& path) {
  const struct timespec times[2] = {{0, UTIME_OMIT}, {1000, 0}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

RuntimeTraces traces(const RuntimeDir& dir, std::chrono::hours age = 1000h) { return std::move(find_traces(dir, age)).value(); }

}  // namespace

TEST_SUITE("pfctl/leftovers") {
  TEST_CASE("an empty folder has none") {
    const Scratch scratch;
    const RuntimeTraces found = traces(runtime(scratch));
    CHECK(found.dead.empty());
    CHECK(found.old_logs.empty());
    CHECK(found.served == 0);
    CHECK(found.locks == 0);
  }

  TEST_CASE("what a killed daemon left is told with its root; locks and young logs are not") {
    const Scratch scratch;
    const RuntimeDir dir = runtime(scratch);
    bound(dir, "aa.sock", true).reset();
    scratch.file("run/aa.json", R"({"version": 1, "pid": 4194304, "root": "/suite", "interpreter": "/p", "address": "/a"})");
    scratch.file("run/aa.pid", "4194304\n");
    scratch.file("run/aa.log", "x");
    scratch.file("run/aa.lock");
    scratch.file("run/aa.spawn");
    const RuntimeTraces found = traces(dir);
    REQUIRE(found.dead.size() == 1);
    CHECK(found.dead[0].root == "/suite");
    CHECK(found.dead[0].paths == std::vector<std::string>{scratch / "run/aa.json", scratch / "run/aa.pid", scratch / "run/aa.sock"});
    CHECK(found.old_logs.empty());
    CHECK(found.locks == 2);
    CHECK(scratch.has("run/aa.sock"));
  }

  TEST_CASE("an address that somebody serves leaves nothing") {
    const Scratch scratch;
    const RuntimeDir dir = runtime(scratch);
    const pf::core::UniqueFd listener = bound(dir, "aa.sock", true);
    scratch.file("run/aa.pid", "1\n");
    scratch.file("run/aa.log", "x");
    const RuntimeTraces found = traces(dir, 0h);
    CHECK(found.dead.empty());
    CHECK(found.old_logs.empty());
    CHECK(found.served == 1);
  }

  TEST_CASE("a process that has the number by now is no daemon") {
    const Scratch scratch;
    const RuntimeDir dir = runtime(scratch);
    scratch.file("run/aa.pid", "1\n");
    CHECK(traces(dir).dead.size() == 1);
  }

  TEST_CASE("logs without a daemon are old from the given age on") {
    const Scratch scratch;
    const RuntimeDir dir = runtime(scratch);
    scratch.file("run/aa.log", "12345");
    scratch.file("run/aa.log.1", "1");
    CHECK(traces(dir, 1h).old_logs.empty());
    make_old(scratch / "run/aa.log");
    make_old(scratch / "run/aa.log.1");
    const RuntimeTraces found = traces(dir, 1h);
    REQUIRE(found.old_logs.size() == 2);
    CHECK(found.old_logs[0].path == scratch / "run/aa.log");
    CHECK(found.old_logs[0].bytes == 5);
    CHECK(found.dead.empty());
  }

  TEST_CASE("half-made files of a start that goes on are left out; foreign files are nobody's") {
    const Scratch scratch;
    const RuntimeDir dir = runtime(scratch);
    scratch.file("run/.pfast-1.new");
    make_old(scratch.file("run/notes.txt"));
    scratch.folder("run/folder.sock");
    CHECK(traces(dir).dead.empty());
    make_old(scratch / "run/.pfast-1.new");
    const RuntimeTraces found = traces(dir);
    REQUIRE(found.dead.size() == 1);
    CHECK(found.dead[0].paths == std::vector<std::string>{scratch / "run/.pfast-1.new"});
  }
}
