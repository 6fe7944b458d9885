#include <doctest/doctest.h>

#include <pfctl/log_file.hpp>

#include "scratch.hpp"

using namespace pf::ctl;
using pf::core::ErrorCode;
using test::contains;
using test::Scratch;

namespace {

void say(const Address& address, const std::string& text) {
  auto fd = open_log(address);
  REQUIRE(fd.ok());
  REQUIRE(::write(fd->get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

}  // namespace

TEST_SUITE("pfctl/log_file") {
  TEST_CASE("the log is private and appended to") {
    const Scratch scratch;
    const Address address = scratch.address();
    say(address, "one\n");
    say(address, "two\n");
    CHECK(scratch.content("run/" + address.log) == "one\ntwo\n");
    struct stat info;
    REQUIRE(::stat(address.path_of(address.log).c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 0600);
  }

  TEST_CASE("a log over one mebibyte is rotated once") {
    const Scratch scratch;
    const Address address = scratch.address();
    say(address, std::string(k_log_rotate_bytes, 'x'));
    say(address, "y");
    CHECK_FALSE(scratch.has("run/" + address.log + ".1"));
    say(address, "new");
    CHECK(scratch.content("run/" + address.log) == "new");
    CHECK(scratch.content("run/" + address.log + ".1").size() == k_log_rotate_bytes + 1);
  }

  TEST_CASE("a symbolic link, a hard link and a FIFO are refused, and nothing is written") {
    const Scratch scratch;
    const Address address = scratch.address();
    scratch.file("victim", "precious");
    scratch.link("run/" + address.log, "../victim");
    CHECK(open_log(address).error().code == ErrorCode::refused);
    std::filesystem::remove(address.path_of(address.log));
    std::filesystem::create_hard_link(scratch / "victim", address.path_of(address.log));
    CHECK(open_log(address).error().code == ErrorCode::refused);
    CHECK(scratch.content("victim") == "precious");
    std::filesystem::remove(address.path_of(address.log));
    REQUIRE(::mkfifo(address.path_of(address.log).c_str(), 0600) == 0);
    CHECK_FALSE(open_log(address).ok());
  }

  TEST_CASE("the tail is whole lines") {
    const Scratch scratch;
    const Address address = scratch.address();
    CHECK(log_tail(address, 100).empty());
    say(address, "first line\nsecond line\nthird\n");
    CHECK(log_tail(address, 1000) == "first line\nsecond line\nthird\n");
    CHECK(log_tail(address, 17) == "third\n");
  }
}
