#include <doctest/doctest.h>

#include <sys/wait.h>

#include <csignal>
#include <thread>

#include <pfcore/frame_socket.hpp>
#include <pfctl/daemon_process.hpp>
#include <pfctl/environment.hpp>
#include <pfctl/process_info.hpp>

#include "../../../lib/pfctl/src/spawn.hpp"
#include "scratch.hpp"

using namespace pf::ctl;
using namespace std::chrono_literals;
using pf::core::ErrorCode;
using test::contains;
using test::Scratch;

namespace {

// A daemon in shell: descriptor 3 is the readiness channel.
StartOptions options(const Scratch& scratch, const std::string& script) {
  StartOptions out;
  out.executable = scratch.program("daemon", "#!/bin/sh\n" + script);
  out.arguments = {"serve", "--root", "/p"};
  out.env = {{"PATH", "/usr/bin:/bin"}, {"MARK", "of the client"}};
  return out;
}

}  // namespace

TEST_SUITE("pfctl/daemon_process") {
  TEST_CASE("a daemon that says ready is started, in a session of its own") {
    const Scratch scratch;
    const Address address = scratch.address();
    auto started = start_daemon(address, options(scratch, "echo \"$@\" > " + (scratch / "args") + "; pwd >> " + (scratch / "args") +
                                                              "; echo $MARK >> " + (scratch / "args") +
                                                              "\necho to the log; echo ready >&3; exec 3>&-; exec sleep 60\n"));
    REQUIRE(started.ok());
    CHECK(scratch.content("args") == "serve --root /p --ready-fd 3\n/\nof the client\n");
    const auto state = process_state(started->pid);
    REQUIRE(state.has_value());
    CHECK(state->session == started->pid);
    CHECK(contains(scratch.content("run/" + address.log), "is started by process " + std::to_string(::getpid())));
    CHECK(contains(scratch.content("run/" + address.log), "to the log\n"));
    terminate(started->pid, 1000ms);
  }

  TEST_CASE("a daemon that cannot serve gives its own reason") {
    const Scratch scratch;
    auto started = start_daemon(scratch.address(), options(scratch, "echo 'listen: no room' >&3; exit 75\n"));
    REQUIRE_FALSE(started.ok());
    CHECK(started.error().code == ErrorCode::refused);
    CHECK(contains(started.error().message, "start the daemon: listen: no room (log: "));
  }

  TEST_CASE("a daemon that dies without a word is described, with this start's part of the log") {
    const Scratch scratch;
    const Address address = scratch.address();
    scratch.file("run/" + address.log, "---- yesterday ----\nold news\n");
    auto started = start_daemon(address, options(scratch, "echo 'terrible things' >&2; kill -SEGV $$\n"));
    REQUIRE_FALSE(started.ok());
    CHECK(started.error().code == ErrorCode::closed);
    CHECK(contains(started.error().message, "signal 11"));
    CHECK(contains(started.error().message, "terrible things"));
    CHECK(contains(started.error().message, address.path_of(address.log)));
    CHECK_FALSE(contains(started.error().message, "old news"));
  }

  TEST_CASE("a daemon that is not ready in time is ended") {
    const Scratch scratch;
    StartOptions slow = options(scratch, "echo $$ > " + (scratch / "pid") + "; trap '' TERM; while :; do sleep 1; done\n");
    slow.timeout = 300ms;
    const auto begun = std::chrono::steady_clock::now();
    auto started = start_daemon(scratch.address(), slow);
    REQUIRE_FALSE(started.ok());
    CHECK(started.error().code == ErrorCode::timed_out);
    CHECK(std::chrono::steady_clock::now() - begun < 5s);
    CHECK_FALSE(process_state(std::stoi(scratch.content("pid"))).has_value());
  }

  TEST_CASE("an executable that is not there is a system error") {
    const Scratch scratch;
    StartOptions missing;
    missing.executable = scratch / "none";
    auto started = start_daemon(scratch.address(), missing);
    REQUIRE_FALSE(started.ok());
    CHECK(started.error().sys_errno == ENOENT);
  }

  TEST_CASE("a log that is a symbolic link stops the start") {
    const Scratch scratch;
    const Address address = scratch.address();
    scratch.file("victim", "precious");
    scratch.link("run/" + address.log, "../victim");
    CHECK(start_daemon(address, options(scratch, "exit 0\n")).error().code == ErrorCode::refused);
    CHECK(scratch.content("victim") == "precious");
  }

  TEST_CASE("the daemon's end says one thing, and survives a starter that has left") {
    for (const bool refuses : {false, true}) {
      auto pair = pf::core::make_socket_pair();
      REQUIRE(pair.ok());
      ReadinessPipe pipe(pair->second.release());
      if (refuses) pipe.fail("no room");
      pipe.ready();
      std::string text(100, '\0');
      text.resize(static_cast<std::size_t>(::read(pair->first.get(), text.data(), text.size())));
      CHECK(text == (refuses ? "no room" : "ready\n"));
    }
    auto pair = pf::core::make_socket_pair();
    ReadinessPipe orphan(pair->second.release());
    pair->first.reset();
    orphan.ready();   // no SIGPIPE
    ReadinessPipe().ready();
  }

  TEST_CASE("the readiness descriptor does not leak into what the daemon starts") {
    auto pair = pf::core::make_socket_pair();
    const int fd = ::dup(pair->second.get());
    const ReadinessPipe pipe(fd);
    CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  }
}
