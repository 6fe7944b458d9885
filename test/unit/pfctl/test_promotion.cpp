#include <doctest/doctest.h>

#include <sys/socket.h>
#include <sys/stat.h>

#include <pfctl/listener.hpp>
#include <pfctl/promotion.hpp>

#include "scratch.hpp"

using namespace pf::ctl;
using pf::core::ErrorCode;
using test::contains;
using test::Scratch;

namespace {

bool never() { return false; }

struct Scene {
  Scratch scratch;
  Address from = explicit_address(scratch.folder("s") + "/a.sock").value();

  [[nodiscard]] std::string path(const std::string& name) const { return scratch / ("s/" + name); }
  [[nodiscard]] pf::core::Error refused(const std::string& path) const {
    auto target = promotion_target(from, path);
    REQUIRE_FALSE(target.ok());
    return target.error();
  }
  void leave_socket(const std::string& name, mode_t mode) const {
    const Address address = explicit_address(path(name)).value();
    const pf::core::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto where = socket_address(address.dir.get(), name);
    REQUIRE(::bind(fd.get(), reinterpret_cast<const struct sockaddr*>(&*where), sizeof *where) == 0);
    ::chmod(path(name).c_str(), mode);
  }
};

}  // namespace

TEST_SUITE("pfctl/promotion") {
  TEST_CASE("a name that is free, or a dead socket of ours, in the same folder is a target") {
    const Scene scene;
    CHECK(promotion_target(scene.from, scene.path("b.sock")).value().socket == "b.sock");
    scene.leave_socket("c.sock", 0755);
    CHECK(promotion_target(scene.from, scene.path("c.sock")).ok());
    CHECK(promotion_target(scene.from, scene.path("../s/b.sock")).ok());
  }

  TEST_CASE("everything else is refused, and stays what it is") {
    const Scene scene;
    scene.scratch.folder("other");
    CHECK(contains(scene.refused("b.sock").message, "no absolute path"));
    CHECK(contains(scene.refused(scene.scratch / "other/b.sock").message, "another folder"));
    CHECK(scene.refused(scene.path("a.sock")).code == ErrorCode::invalid_argument);
    CHECK(scene.refused(scene.path("")).code == ErrorCode::invalid_argument);
    CHECK(scene.refused(scene.scratch / "none/b.sock").code == ErrorCode::not_found);
    scene.scratch.file("s/file", "precious");
    CHECK(contains(scene.refused(scene.path("file")).message, "no socket"));
    CHECK(scene.scratch.content("s/file") == "precious");
    scene.scratch.link("s/link", scene.path("file"));
    CHECK(contains(scene.refused(scene.path("link")).message, "no socket"));
    scene.leave_socket("open.sock", 0777);
    CHECK(contains(scene.refused(scene.path("open.sock")).message, "everybody may connect"));
    CHECK(scene.scratch.has("s/open.sock"));
    ::chmod((scene.scratch / "s").c_str(), 0777);
    CHECK(contains(scene.refused(scene.path("b.sock")).message, "others may write"));
    ::chmod((scene.scratch / "s").c_str(), 01777);
    CHECK(promotion_target(scene.from, scene.path("b.sock")).ok());
    ::chmod((scene.scratch / "s").c_str(), 0700);
  }

  TEST_CASE("a free address is claimed, and nobody else may start there meanwhile") {
    const Scene scene;
    auto promotion = prepare_promotion(scene.from, scene.path("b.sock"), never);
    REQUIRE(promotion.ok());
    CHECK(promotion->claim.lock.held());
    CHECK_FALSE(promotion->claim.predecessor.has_value());
    const Address& to = promotion->address;
    CHECK_FALSE(FileLock::try_lock(to.dir.get(), to.spawn_lock, "").value().has_value());
  }

  TEST_CASE("a socket moves with its name, over a dead one, and only while it is its own") {
    const Scene scene;
    auto lock = FileLock::try_lock(scene.from.dir.get(), scene.from.life_lock, "").value();
    auto listener = bind_listener(scene.from, *lock);
    REQUIRE(listener.ok());
    scene.leave_socket("b.sock", 0600);
    const Address to = explicit_address(scene.path("b.sock")).value();
    auto other = FileLock::try_lock(to.dir.get(), to.life_lock, "").value();
    CHECK_FALSE(listener->move_to(to, FileLock(), false).ok());
    REQUIRE(listener->move_to(to, *other, false).ok());
    CHECK(listener->still_in_place());
    CHECK_FALSE(scene.scratch.has("s/a.sock"));

    std::filesystem::remove(scene.path("b.sock"));
    scene.scratch.file("s/b.sock", "somebody else's");
    CHECK_FALSE(listener->move_to(scene.from, *lock, false).ok());
    CHECK(scene.scratch.content("s/b.sock") == "somebody else's");
  }
}
