#include <doctest/doctest.h>

#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <thread>

#include <pfctl/client.hpp>
#include <pfctl/listener.hpp>
#include <pfctl/process_info.hpp>

#include "../../../lib/pfctl/src/spawn.hpp"
#include "scratch.hpp"

using namespace pf::ctl;
using namespace std::chrono_literals;
using pf::core::ErrorCode;
using pf::core::FrameSocket;
using pf::core::UniqueFd;
using test::contains;
using test::Scratch;

namespace {

// A server in this process: every connection is handed to `serve`, one after the other.
class FakeDaemon {
 public:
  FakeDaemon(const Address& address, std::function<void(FrameSocket)> serve)
      : lock_(std::move(**FileLock::try_lock(address.dir.get(), address.life_lock, ""))),
        listener_(bind_listener(address, lock_).value()),
        thread_([this, serve = std::move(serve)] { run(serve); }) {}
  FakeDaemon(const FakeDaemon&) = delete;
  FakeDaemon& operator=(const FakeDaemon&) = delete;
  ~FakeDaemon() {
    stop_ = true;
    thread_.join();
    listener_.unlink_if_ours();
  }

 private:
  void run(const std::function<void(FrameSocket)>& serve) {
    while (!stop_) {
      struct pollfd ready {listener_.fd(), POLLIN, 0};
      if (::poll(&ready, 1, 10) != 1) continue;
      UniqueFd fd(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
      if (fd) serve(FrameSocket(std::move(fd)));
    }
  }

  FileLock lock_;
  Listener listener_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

std::string welcome(const std::string& version = PF_VERSION) {
  pf::core::Welcome message;
  message.version = version;
  message.pid = ::getpid();
  return pf::core::encode(message);
}

void greet(FrameSocket& socket) {
  auto hello = socket.receive(5000ms);
  CHECK(hello.ok());
  CHECK(socket.send(welcome()).ok());
}

ConnectOptions only_connect() {
  ConnectOptions options;
  options.may_start = false;
  options.greet_timeout = 300ms;
  return options;
}

// A daemon in Python that does what a start needs: life lock, socket, readiness, greeting. Its clients and its starts are
// noted in files.
constexpr const char* k_python_daemon = R"(#!/usr/bin/python3
import fcntl, os, pickle, socket, struct, sys, threading, time
folder, stem, version, delay = sys.argv[2], sys.argv[3], sys.argv[4], float(sys.argv[5])
ready = int(sys.argv[sys.argv.index("--ready-fd") + 1])
os.close(os.open(f"{folder}/../starts.{os.getpid()}", os.O_CREAT | os.O_WRONLY))
lock = os.open(f"{folder}/{stem}.lock", os.O_RDWR | os.O_CREAT, 0o600)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    os.write(ready, b"another daemon holds the lock")
    sys.exit(75)
time.sleep(delay)
path = f"{folder}/{stem}.sock"
if os.path.exists(path):
    os.unlink(path)
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen(64)
os.write(ready, b"ready\n")
os.close(ready)
def frame(connection):
    data = b""
    while len(data) < 4:
        data += connection.recv(4 - len(data)) or sys.exit(0)
    size, data = struct.unpack(">I", data)[0], b""
    while len(data) < size:
        data += connection.recv(size - len(data)) or sys.exit(0)
    return pickle.loads(data)
def send(connection, value):
    data = pickle.dumps(value, 4)
    connection.sendall(struct.pack(">I", len(data)) + data)
def serve(connection):
    while True:
        message = frame(connection)
        if message["type"] == "hello":
            send(connection, {"type": "welcome", "protocol": 2, "version": version, "pid": os.getpid()})
        if message["type"] == "shutdown":
            os.unlink(path)
            os._exit(0)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
)";

ConnectOptions starting(const Scratch& scratch, const Address& address, const std::string& version = PF_VERSION, const std::string& delay = "0.1") {
  ConnectOptions options;
  options.start.executable = scratch.has("daemon") ? scratch / "daemon" : scratch.program("daemon", k_python_daemon);
  options.start.arguments = {"serve", address.dir_path, address.socket.substr(0, address.socket.size() - 5), version, delay};
  options.start.env = {{"PATH", "/usr/bin:/bin"}};
  return options;
}

int starts(const Scratch& scratch) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path())) count += contains(entry.path().filename(), "starts.") ? 1 : 0;
  return count;
}

}  // namespace

TEST_SUITE("pfctl/client") {
  TEST_CASE("a client greets, sends a run with its descriptors and reads events") {
    const Scratch scratch;
    const Address address = scratch.address();
    const FakeDaemon daemon(address, [](FrameSocket socket) {
      greet(socket);
      auto run = socket.receive(5000ms);
      REQUIRE(run.ok());
      REQUIRE(run->has_value());
      CHECK((*run)->fds.size() == 3);
      auto document = pf::core::decode_pickle((*run)->payload, pf::core::Limits::control());
      REQUIRE(document.ok());
      auto request = pf::core::decode_as<pf::core::RunRequest>(document->root());
      REQUIRE(request.ok());
      CHECK(request->argv == pf::core::OsStrings{"-k", "\xff"});
      pf::core::FinishedEvent finished;
      finished.exit_code = 5;
      CHECK(socket.send(pf::core::encode(finished)).ok());
    });
    auto connection = connect_to_daemon(address, only_connect());
    REQUIRE(connection.ok());
    CHECK(connection->welcome().version == PF_VERSION);
    CHECK(connection->peer().pid == ::getpid());
    CHECK_FALSE(connection->started_daemon());
    CHECK((::fcntl(connection->fd(), F_GETFD) & FD_CLOEXEC) != 0);
    auto quiet = connection->next_event(0ms);
    REQUIRE(quiet.ok());
    CHECK_FALSE(quiet->has_value());
    pf::core::RunRequest request;
    request.argv = {"-k", "\xff"};
    CHECK(connection->send_run(request, {0, 1, 2}).ok());
    auto event = connection->next_event(5000ms);
    REQUIRE(event.ok());
    REQUIRE(event->has_value());
    CHECK(pf::core::decode_as<pf::core::FinishedEvent>((*event)->root())->exit_code == 5);
    CHECK(connection->next_event(5000ms).error().code == ErrorCode::closed);
    CHECK_FALSE(connection->send(pf::core::StatusRequest{}).ok());   // and no SIGPIPE
  }

  TEST_CASE("without a daemon a client that may not start one is told so") {
    const Scratch scratch;
    CHECK(connect_to_daemon(scratch.address(), only_connect()).error().code == ErrorCode::not_found);
  }

  TEST_CASE("a daemon that does not answer is named by its pid") {
    const Scratch scratch;
    const Address address = scratch.address();
    const FakeDaemon daemon(address, [](const FrameSocket&) { std::this_thread::sleep_for(500ms); });
    auto connection = connect_to_daemon(address, only_connect());
    REQUIRE_FALSE(connection.ok());
    CHECK(connection.error().code == ErrorCode::timed_out);
    CHECK(contains(connection.error().message, "kill " + std::to_string(::getpid())));
  }

  TEST_CASE("what was said before the connection was closed is heard") {
    int ends[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    UniqueFd ours(ends[0]);
    {
      FrameSocket theirs{UniqueFd(ends[1])};
      REQUIRE(theirs.send(pf::core::encode(pf::core::ShutdownReply{})).ok());
    }
    CHECK(ClientConnection::greet(std::move(ours), 300ms).error().code == ErrorCode::refused);
  }

  TEST_CASE("whoever answers with something else is refused") {
    const Scratch scratch;
    const Address address = scratch.address();
    const FakeDaemon daemon(address, [](FrameSocket socket) { CHECK(socket.send(pf::core::encode(pf::core::ShutdownReply{})).ok()); });
    CHECK(connect_to_daemon(address, only_connect()).error().code == ErrorCode::refused);
  }

  TEST_CASE("a daemon that was stopped after the greeting does not stop a client that sends") {
    const Scratch scratch;
    const Address address = scratch.address();
    std::atomic<bool> over = false;
    const FakeDaemon daemon(address, [&over](FrameSocket socket) {
      greet(socket);
      for (int i = 0; i < 500 && !over; ++i) std::this_thread::sleep_for(10ms);
    });
    auto connection = connect_to_daemon(address, only_connect());
    REQUIRE(connection.ok());
    pf::core::RunRequest request;
    request.argv = {std::string(8u << 20, 'x')};
    const auto sent = connection->send_run(request, {0, 1, 2});
    over = true;
    REQUIRE_FALSE(sent.ok());
    CHECK(sent.error().code == ErrorCode::timed_out);
    CHECK(contains(sent.error().message, "process " + std::to_string(::getpid())));
  }

  TEST_CASE("a large request arrives whole, its descriptors with it") {
    const Scratch scratch;
    const Address address = scratch.address();
    std::atomic<std::size_t> bytes = 0;
    std::atomic<std::size_t> fds = 0;
    {
      const FakeDaemon daemon(address, [&](FrameSocket socket) {
        greet(socket);
        std::this_thread::sleep_for(20ms);
        auto run = socket.receive(5000ms);
        if (!run || !run->has_value()) return;
        bytes = (*run)->payload.size();
        fds = (*run)->fds.size();
      });
      auto connection = connect_to_daemon(address, only_connect());
      REQUIRE(connection.ok());
      pf::core::RunRequest request;
      request.argv = {std::string(4u << 20, 'x')};
      CHECK(connection->send_run(request, {0, 1, 2}).ok());
      CHECK(connection->next_event(5000ms).error().code == ErrorCode::closed);
    }
    CHECK(bytes > (4u << 20));
    CHECK(fds == 3);
  }

  TEST_CASE("a greeting of a gigabyte is not waited for") {
    const Scratch scratch;
    const Address address = scratch.address();
    const FakeDaemon daemon(address, [](FrameSocket socket) {
      CHECK(::send(socket.fd(), "\x40\x00\x00\x00", 4, MSG_NOSIGNAL) == 4);
      std::this_thread::sleep_for(50ms);
    });
    CHECK(connect_to_daemon(address, only_connect()).error().code == ErrorCode::limit);
  }

  TEST_CASE("a client starts the daemon that is not there, and the next one finds it") {
    const Scratch scratch;
    const Address address = scratch.address();
    int announced = 0;
    ConnectOptions options = starting(scratch, address);
    options.on_start = [&] { ++announced; };
    auto first = connect_to_daemon(address, options);
    if (!first) FAIL(first.error().message);
    CHECK(first->started_daemon());
    auto second = connect_to_daemon(address, options);
    REQUIRE(second.ok());
    CHECK_FALSE(second->started_daemon());
    CHECK(second->peer().pid == first->peer().pid);
    CHECK(announced == 1);
    terminate(first->peer().pid, 1000ms);
  }

  TEST_CASE("twenty clients at once get one daemon") {
    const Scratch scratch;
    const Address address = scratch.address();
    const ConnectOptions options = starting(scratch, address, PF_VERSION, "0.4");
    std::atomic<int> good = 0;
    std::atomic<int> started = 0;
    std::atomic<int> pid = 0;
    std::vector<std::thread> clients;
    for (int i = 0; i < 20; ++i) {
      clients.emplace_back([&] {
        auto connection = connect_to_daemon(address, options);
        if (!connection) return;
        ++good;
        started += connection->started_daemon() ? 1 : 0;
        pid = connection->peer().pid;
      });
    }
    for (std::thread& client : clients) client.join();
    CHECK(good == 20);
    CHECK(started == 1);
    CHECK(starts(scratch) == 1);
    terminate(pid, 1000ms);
  }

  TEST_CASE("a killed daemon's socket and locks do not hinder the next start") {
    const Scratch scratch;
    const Address address = scratch.address();
    const ConnectOptions options = starting(scratch, address);
    auto first = connect_to_daemon(address, options);
    REQUIRE(first.ok());
    CHECK(signal_process(first->peer().pid, SIGKILL).ok());
    CHECK(wait_for_exit(first->peer().pid, 5000ms).has_value());
    CHECK(scratch.has("run/" + address.socket));
    auto second = connect_to_daemon(address, options);
    REQUIRE(second.ok());
    CHECK(second->peer().pid != first->peer().pid);
    terminate(second->peer().pid, 1000ms);
  }

  TEST_CASE("a daemon of another version leaves and is replaced") {
    const Scratch scratch;
    const Address address = scratch.address();
    auto old = connect_to_daemon(address, [&] {
      ConnectOptions options = starting(scratch, address, "0.0.1");
      options.replace_other_version = false;
      return options;
    }());
    REQUIRE(old.ok());
    CHECK(old->welcome().version == "0.0.1");
    auto fresh = connect_to_daemon(address, starting(scratch, address));
    if (!fresh) FAIL(fresh.error().message);
    CHECK(fresh->welcome().version == PF_VERSION);
    CHECK(wait_for_exit(old->peer().pid, 5000ms) == 0);
    terminate(fresh->peer().pid, 1000ms);
  }

  TEST_CASE("a daemon that was just started is kept whatever its version is") {
    const Scratch scratch;
    const Address address = scratch.address();
    auto connection = connect_to_daemon(address, starting(scratch, address, "9.9.9"));
    if (!connection) FAIL(connection.error().message);
    CHECK(connection->welcome().version == "9.9.9");
    CHECK(starts(scratch) == 1);
    terminate(connection->peer().pid, 1000ms);
  }

  TEST_CASE("a client waits for a daemon that is just leaving") {
    const Scratch scratch;
    const Address address = scratch.address();
    auto life = FileLock::try_lock(address.dir.get(), address.life_lock, "");
    std::thread leaving([&] {
      std::this_thread::sleep_for(150ms);
      life->reset();
    });
    auto connection = connect_to_daemon(address, starting(scratch, address));
    leaving.join();
    REQUIRE(connection.ok());
    CHECK(connection->started_daemon());
    CHECK(starts(scratch) == 1);
    terminate(connection->peer().pid, 1000ms);
  }

  TEST_CASE("a holder of the life lock that never serves is named") {
    const Scratch scratch;
    const Address address = scratch.address();
    auto life = FileLock::try_lock(address.dir.get(), address.life_lock, "");
    CHECK(write_pid(address, 4711).ok());
    ConnectOptions options = starting(scratch, address);
    options.start.timeout = 200ms;
    auto connection = connect_to_daemon(address, options);
    REQUIRE_FALSE(connection.ok());
    CHECK(connection.error().code == ErrorCode::timed_out);
    CHECK(contains(connection.error().message, "process 4711"));
    CHECK(contains(connection.error().message, address.path_of(address.life_lock)));
    CHECK(starts(scratch) == 0);
  }

  TEST_CASE("a spawn lock that is never released is given up") {
    const Scratch scratch;
    const Address address = scratch.address();
    auto spawn_lock = FileLock::try_lock(address.dir.get(), address.spawn_lock, "");
    ConnectOptions options = starting(scratch, address);
    options.lock_timeout = 100ms;
    CHECK(connect_to_daemon(address, options).error().code == ErrorCode::timed_out);
    CHECK(starts(scratch) == 0);
  }

  TEST_CASE("the reason of a failed start reaches the client") {
    const Scratch scratch;
    const Address address = scratch.address();
    ConnectOptions options;
    options.start.executable = scratch.program("daemon", "#!/bin/sh\necho 'serve: no forkserver' >&3\nexit 75\n");
    auto connection = connect_to_daemon(address, options);
    REQUIRE_FALSE(connection.ok());
    CHECK(connection.error().code == ErrorCode::refused);
    CHECK(contains(connection.error().message, "serve: no forkserver"));
  }
}
