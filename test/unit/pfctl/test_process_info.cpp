#include <doctest/doctest.h>

#include <poll.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <thread>

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

pid_t shell(const std::string& script, bool new_session = true) {
  const pf::core::Environment env = current_environment();
  SpawnRequest request;
  request.executable = "/bin/sh";
  request.arguments = {"sh", "-c", script};
  request.env = &env;
  request.new_session = new_session;
  auto pid = spawn(request);
  REQUIRE(pid.ok());
  return *pid;
}

template <typename Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 500; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

}  // namespace

TEST_SUITE("pfctl/process_info") {
  TEST_CASE("the memory of a process is known, that of nobody is 0") {
    CHECK(process_rss_bytes(::getpid()) > 1'000'000);
    CHECK(process_rss_bytes(0) == 0);
    CHECK(process_rss_bytes(-1) == 0);
    CHECK(process_rss_bytes(std::int64_t{1} << 40) == 0);
  }

  TEST_CASE("a process' state is read past any name") {
    const auto self = process_state(::getpid());
    REQUIRE(self.has_value());
    CHECK(self->parent == ::getppid());
    CHECK(self->group == ::getpgrp());
    CHECK(self->session == ::getsid(0));
    CHECK(self->start_ticks > 0);
    const Scratch scratch;
    const std::string odd = scratch / ") R 1 (";
    std::filesystem::copy_file("/bin/sleep", odd);
    const pf::core::Environment env;
    SpawnRequest request;
    request.executable = odd;
    request.arguments = {"x", "60"};
    request.env = &env;
    request.new_session = true;
    const pid_t pid = spawn(request).value();
    CHECK(process_state(pid)->parent == ::getpid());
    CHECK(process_state(pid)->session == pid);
    terminate(pid, 1000ms);
    CHECK_FALSE(process_state(pid).has_value());
  }

  TEST_CASE("descendants are found, parents first, and session members") {
    const pid_t pid = shell("sh -c 'sleep 60 & wait' & wait");
    REQUIRE(eventually([&] { return descendants(pid).size() == 2; }));
    const auto found = descendants(pid);
    CHECK(process_state(found[0])->parent == pid);
    CHECK(process_state(found[1])->parent == found[0]);
    CHECK(session_members(pid).size() == 3);
    const auto of_us = descendants(::getpid());
    CHECK(std::find(of_us.begin(), of_us.end(), pid) != of_us.end());
    CHECK(signal_group(pid, SIGKILL).ok());
    CHECK(wait_for_exit(pid, 5000ms).has_value());
    CHECK(eventually([&] { return descendants(pid).empty(); }));
  }

  TEST_CASE("numbers that mean oneself or everyone are never signalled") {
    for (const std::int64_t number : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1}, std::int64_t{-5}, std::int64_t{1} << 32}) {
      CHECK(signal_process(number, 0).error().code == ErrorCode::invalid_argument);
      CHECK(signal_group(number, 0).error().code == ErrorCode::invalid_argument);
    }
  }

  TEST_CASE("a process that is gone is not found") {
    const pid_t pid = shell("exit 3");
    const auto status = wait_for_exit(pid, 5000ms);
    REQUIRE(status.has_value());
    CHECK(WEXITSTATUS(*status) == 3);
    CHECK(signal_process(pid, SIGTERM).error().code == ErrorCode::not_found);
    CHECK(open_pidfd(pid).error().code == ErrorCode::not_found);
    CHECK(wait_for_exit(pid, 0ms) == -1);
  }

  TEST_CASE("a pidfd becomes readable at the end of its process") {
    const pid_t pid = shell("sleep 60");
    auto fd = open_pidfd(pid);
    REQUIRE(fd.ok());
    CHECK((::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC) != 0);
    struct pollfd ended {fd->get(), POLLIN, 0};
    CHECK(::poll(&ended, 1, 0) == 0);
    CHECK_FALSE(wait_for_exit(pid, 10ms).has_value());
    CHECK(WTERMSIG(terminate(pid, 2000ms)) == SIGTERM);
    CHECK(::poll(&ended, 1, 1000) == 1);
  }

  TEST_CASE("whoever does not listen to SIGTERM is killed") {
    const Scratch scratch;
    const pid_t pid = shell("trap '' TERM; : > " + (scratch / "up") + "; while :; do sleep 1; done");
    REQUIRE(eventually([&] { return scratch.has("up"); }));
    CHECK(WTERMSIG(terminate(pid, 50ms)) == SIGKILL);
  }
}

TEST_SUITE("pfctl/spawn") {
  TEST_CASE("a child gets no descriptor but its own, default signals and an empty mask") {
    const Scratch scratch;
    const pf::core::UniqueFd leaky(::open("/dev/null", O_RDONLY));   // not close-on-exec, on purpose
    sigset_t blocked;
    sigset_t before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
    const auto old = std::signal(SIGPIPE, SIG_IGN);
    const pid_t pid = shell("ls /proc/$$/fd > " + (scratch / "fds") + "; grep -E 'Sig(Blk|Ign)' /proc/self/status > " + (scratch / "signals"));
    CHECK(wait_for_exit(pid, 5000ms) == 0);
    std::signal(SIGPIPE, old);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    const std::string signals = scratch.content("signals");
    CHECK(contains(signals, "SigBlk:\t0000000000000000\n"));
    // Of the first 32 signals none; glibc's posix_spawn leaves two internal ones ignored.
    const std::size_t ignored = signals.find("SigIgn:\t");
    REQUIRE(ignored != signals.npos);
    CHECK((std::stoull(signals.substr(ignored + 8), nullptr, 16) & 0x7fffffffu) == 0);
    CHECK_FALSE(contains(scratch.content("fds"), std::to_string(leaky.get()) + "\n"));
  }

  TEST_CASE("what cannot be started is named, the limit too") {
    const pf::core::Environment env;
    SpawnRequest request;
    request.executable = "/no/such/program";
    request.arguments = {"x"};
    request.env = &env;
    const auto pid = spawn(request);
    REQUIRE_FALSE(pid.ok());
    CHECK(pid.error().sys_errno == ENOENT);
    CHECK(contains(pid.error().message, "/no/such/program"));
  }
}
