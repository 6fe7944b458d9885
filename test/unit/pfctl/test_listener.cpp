#include <doctest/doctest.h>

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <array>
#include <thread>

#include <pfctl/connect.hpp>
#include <pfctl/listener.hpp>
#include <pfctl/peer.hpp>

#include "scratch.hpp"

using namespace pf::ctl;
using namespace std::chrono_literals;
using pf::core::ErrorCode;
using pf::core::UniqueFd;
using test::contains;
using test::Scratch;

namespace {

FileLock life_lock(const Address& address) {
  auto lock = FileLock::try_lock(address.dir.get(), address.life_lock, address.path_of(address.life_lock));
  return std::move(**lock);
}

bool can_connect(const Address& address) { return connect_socket(address, 1000ms).ok(); }

}  // namespace

TEST_SUITE("pfctl/listener") {
  TEST_CASE("a bound address takes connections and is private") {
    const Scratch scratch;
    const Address address = scratch.address();
    const FileLock lock = life_lock(address);
    auto listener = bind_listener(address, lock);
    REQUIRE(listener.ok());
    CHECK(can_connect(address));
    struct stat info;
    REQUIRE(::lstat(address.socket_path().c_str(), &info) == 0);
    CHECK(S_ISSOCK(info.st_mode));
    CHECK((info.st_mode & 07777) == 0600);
    CHECK((::fcntl(listener->fd(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(listener->fd(), F_GETFL) & O_NONBLOCK) != 0);
  }

  TEST_CASE("nothing is bound without the life lock") {
    const Scratch scratch;
    const Address address = scratch.address();
    CHECK(bind_listener(address, FileLock()).error().code == ErrorCode::invalid_argument);
    CHECK_FALSE(scratch.has("run/" + address.socket));
  }

  TEST_CASE("the socket of a dead daemon is replaced, its leftovers are swept up") {
    const Scratch scratch;
    const Address address = scratch.address();
    const FileLock lock = life_lock(address);
    { auto dead = bind_listener(address, lock); REQUIRE(dead.ok()); }
    CHECK_FALSE(can_connect(address));
    CHECK(connect_socket(address, 100ms).error().code == ErrorCode::not_found);
    // Killed between bind and rename: the temporary name is left.
    auto half = bind_listener(address, lock);
    for (const auto& entry : std::filesystem::directory_iterator(scratch / "run")) CHECK_FALSE(contains(entry.path(), ".new"));
    std::filesystem::rename(address.socket_path(), scratch / "run/elsewhere");
    auto listener = bind_listener(address, lock);
    REQUIRE(listener.ok());
    CHECK(can_connect(address));
  }

  TEST_CASE("a path is unlinked only while it is ours") {
    const Scratch scratch;
    const Address address = scratch.address();
    const FileLock lock = life_lock(address);
    auto first = bind_listener(address, lock);
    CHECK(first->still_in_place());
    std::filesystem::remove(address.socket_path());
    CHECK_FALSE(first->still_in_place());
    auto second = bind_listener(address, lock);
    REQUIRE(second.ok());
    CHECK_FALSE(first->unlink_if_ours());
    CHECK(can_connect(address));
    CHECK(second->unlink_if_ours());
    CHECK_FALSE(scratch.has("run/" + address.socket));
    CHECK_FALSE(second->unlink_if_ours());
  }

  TEST_CASE("a file that is no socket is not replaced") {
    const Scratch scratch;
    scratch.file("precious", "data");
    const Address address = explicit_address(scratch / "precious").value();
    const FileLock lock = life_lock(address);
    CHECK(bind_listener(address, lock).error().code == ErrorCode::refused);
    CHECK(scratch.content("precious") == "data");
    CHECK(connect_socket(address, 100ms).error().code == ErrorCode::refused);
  }

  TEST_CASE("an address that somebody serves without our lock is not taken over") {
    const Scratch scratch;
    const Address address = explicit_address(scratch / "other.sock").value();
    const UniqueFd other(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    struct sockaddr_un name {};
    name.sun_family = AF_UNIX;
    (scratch / "other.sock").copy(name.sun_path, sizeof name.sun_path - 1);
    REQUIRE(::bind(other.get(), reinterpret_cast<const struct sockaddr*>(&name), sizeof name) == 0);
    REQUIRE(::listen(other.get(), 1) == 0);
    CHECK(bind_listener(address, life_lock(address)).error().code == ErrorCode::exists);
  }

  TEST_CASE("paths longer than 108 bytes are bound and connected to, without chdir") {
    const Scratch scratch;
    const std::string deep = scratch.folder(std::string(120, 'd') + '/' + std::string(120, 'e'));
    for (const std::string& name : {std::string("short.sock"), std::string(200, 'n')}) {
      const Address address = explicit_address(deep + '/' + name).value();
      const FileLock lock = life_lock(address);
      auto listener = bind_listener(address, lock);
      REQUIRE(listener.ok());
      CHECK(can_connect(address));
      CHECK(listener->unlink_if_ours());
    }
  }

  TEST_CASE("a symbolic link to a socket is not followed") {
    const Scratch scratch;
    const Address address = scratch.address();
    const FileLock lock = life_lock(address);
    auto listener = bind_listener(address, lock);
    scratch.link("run/alias.sock", address.socket);
    const Address alias = explicit_address(scratch / "run/alias.sock").value();
    CHECK(connect_socket(alias, 100ms).error().code == ErrorCode::refused);
    CHECK(bind_listener(alias, life_lock(alias)).error().code == ErrorCode::refused);
  }

  TEST_CASE("a full queue is given up at the deadline") {
    const Scratch scratch;
    const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    struct sockaddr_un name {};
    name.sun_family = AF_UNIX;
    (scratch / "full.sock").copy(name.sun_path, sizeof name.sun_path - 1);
    REQUIRE(::bind(listener.get(), reinterpret_cast<const struct sockaddr*>(&name), sizeof name) == 0);
    REQUIRE(::listen(listener.get(), 0) == 0);
    const Address address = explicit_address(scratch / "full.sock").value();
    std::vector<UniqueFd> waiting;
    for (int i = 0; i < 4; ++i) {
      auto fd = connect_socket(address, 100ms);
      if (!fd) {
        CHECK(fd.error().code == ErrorCode::timed_out);
        return;
      }
      waiting.push_back(std::move(*fd));
    }
    FAIL("the queue never filled up");
  }
}

TEST_SUITE("pfctl/peer") {
  TEST_CASE("a peer of the same user is accepted and known by its pid") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const UniqueFd a(ends[0]);
    const UniqueFd b(ends[1]);
    auto peer = check_peer(a.get());
    REQUIRE(peer.ok());
    CHECK(peer->pid == ::getpid());
    CHECK(peer->uid == ::geteuid());
  }

  TEST_CASE("a peer of another user is refused" * doctest::skip(!test::running_as_root())) {
    std::array<int, 2> ends{-1, -1};
    // The kernel keeps credentials per thread; the raw call changes this thread's only.
    std::thread([&ends] {
      if (::syscall(SYS_setresuid, -1, test::k_nobody, -1) == 0) (void)::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data());
    }).join();
    const UniqueFd a(ends[0]);
    const UniqueFd b(ends[1]);
    REQUIRE(a.valid());
    auto peer = check_peer(a.get());
    REQUIRE_FALSE(peer.ok());
    CHECK(peer.error().code == ErrorCode::refused);
    CHECK(contains(peer.error().message, "uid 65534"));
    CHECK(peer_of(a.get()).ok());
  }

  TEST_CASE("what is no socket has no peer") {
    const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    CHECK(check_peer(file.get()).error().code == ErrorCode::system);
  }
}
