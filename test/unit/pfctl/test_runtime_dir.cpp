#include <doctest/doctest.h>

#include <sys/socket.h>

#include <pfctl/runtime_dir.hpp>

#include "../../../lib/pfctl/src/json_text.hpp"
#include "scratch.hpp"

using namespace pf::ctl;
using pf::core::ErrorCode;
using test::contains;
using test::Scratch;

namespace {

mode_t mode_of(const std::string& path) {
  struct stat info;
  return ::lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

std::string refusal(const pf::core::Environment& env) {
  auto dir = open_runtime_dir(env);
  if (dir) return "accepted";
  CHECK(dir.error().code == ErrorCode::refused);
  return dir.error().message;
}

}  // namespace

TEST_SUITE("pfctl/runtime_dir") {
  TEST_CASE("the directory is made private whatever the umask is") {
    const Scratch scratch;
    const mode_t before = ::umask(0777);
    auto dir = open_runtime_dir({{"PFAST_RUNTIME_DIR", scratch / "made"}});
    ::umask(before);
    REQUIRE(dir.ok());
    CHECK(dir->path == scratch / "made");
    CHECK(mode_of(scratch / "made") == 0700);
    CHECK(open_runtime_dir({{"PFAST_RUNTIME_DIR", scratch / "made"}}).ok());
  }

  TEST_CASE("XDG_RUNTIME_DIR is used when it is there, the uid's own name in /tmp otherwise") {
    const Scratch scratch;
    CHECK(runtime_dir_path({{"XDG_RUNTIME_DIR", scratch.path()}}) == scratch / "pfast");
    const std::string fallback = "/tmp/pfast-" + std::to_string(::geteuid());
    CHECK(runtime_dir_path({{"XDG_RUNTIME_DIR", scratch / "gone"}}) == fallback);
    CHECK(runtime_dir_path({{"XDG_RUNTIME_DIR", "relative"}}) == fallback);
    CHECK(runtime_dir_path({}) == fallback);
    CHECK(runtime_dir_path({{"PFAST_RUNTIME_DIR", "/x/"}, {"XDG_RUNTIME_DIR", scratch.path()}}) == "/x");
  }

  TEST_CASE("somebody else's XDG_RUNTIME_DIR is not used" * doctest::skip(!test::running_as_root())) {
    const Scratch scratch;
    REQUIRE(::chown(scratch.folder("theirs").c_str(), test::k_nobody, test::k_nobody) == 0);
    CHECK(runtime_dir_path({{"XDG_RUNTIME_DIR", scratch / "theirs"}}) == "/tmp/pfast-" + std::to_string(::geteuid()));
  }

  TEST_CASE("a directory that is open to others is refused with path, owner, mode and command") {
    const Scratch scratch;
    const std::string path = scratch.folder("open");
    ::chmod(path.c_str(), 0777);
    const std::string message = refusal({{"PFAST_RUNTIME_DIR", path}});
    CHECK(contains(message, path));
    CHECK(contains(message, "owner uid " + std::to_string(::geteuid())));
    CHECK(contains(message, "mode 0777"));
    CHECK(contains(message, "`chmod 700 " + path + "`"));
    CHECK(mode_of(path) == 0777);
  }

  TEST_CASE("a directory without the owner's rights is refused") {
    const Scratch scratch;
    const std::string path = scratch.folder("closed");
    ::chmod(path.c_str(), 0500);
    CHECK(contains(refusal({{"PFAST_RUNTIME_DIR", path}}), "chmod 700"));
    ::chmod(path.c_str(), 0700);
  }

  TEST_CASE("a symbolic link is refused even when it leads to a private directory") {
    const Scratch scratch;
    ::chmod(scratch.folder("real").c_str(), 0700);
    const std::string link = scratch.link("link", "real");
    const std::string message = refusal({{"PFAST_RUNTIME_DIR", link}});
    CHECK(contains(message, "symbolic link"));
    CHECK(contains(message, "`rm " + link + "`"));
  }

  TEST_CASE("a file in its place is refused") {
    const Scratch scratch;
    CHECK(contains(refusal({{"PFAST_RUNTIME_DIR", scratch.file("file")}}), "no directory"));
  }

  TEST_CASE("a folder that is gone is refused with the command that makes it") {
    const Scratch scratch;
    CHECK(contains(refusal({{"PFAST_RUNTIME_DIR", scratch / "gone/it's here"}}), "mkdir -p -m 700 '" + scratch.path() + "/gone/it'\\''s here'"));
  }

  TEST_CASE("a foreign directory is refused" * doctest::skip(!test::running_as_root())) {
    const Scratch scratch;
    const std::string path = scratch.folder("foreign");
    ::chmod(path.c_str(), 0700);
    REQUIRE(::chown(path.c_str(), test::k_nobody, test::k_nobody) == 0);
    const std::string message = refusal({{"PFAST_RUNTIME_DIR", path}});
    CHECK(contains(message, "owner uid 65534"));
    CHECK(contains(message, "chown"));
  }

  TEST_CASE("an address depends on root and interpreter and on nothing else") {
    const Scratch scratch;
    auto dir = open_runtime_dir(scratch.runtime_env());
    REQUIRE(dir.ok());
    const auto name = [&](const char* root, const char* python) { return make_address(*dir, root, python).value().socket; };
    CHECK(name("/p", "/usr/bin/python3") == name("/p", "/usr/bin/python3"));
    CHECK(name("/p", "/usr/bin/python3") != name("/q", "/usr/bin/python3"));
    CHECK(name("/p", "/usr/bin/python3") != name("/p", "/usr/bin/python3.11"));
    CHECK(name("/p", "x") != name("/px", ""));
    CHECK(name("/p", "x").ends_with(".sock"));
    CHECK(name("/p", "x").size() == 16 + 5);
  }

  TEST_CASE("an explicit address has its siblings beside it") {
    const Scratch scratch;
    auto address = explicit_address(scratch / "my.sock");
    REQUIRE(address.ok());
    CHECK(address->socket_path() == scratch / "my.sock");
    CHECK(address->life_lock == "my.sock.lock");
    CHECK(address->spawn_lock == "my.sock.spawn");
    CHECK(address->log == "my.sock.log");
    CHECK(address->shared_dir);
  }

  TEST_CASE("an explicit address that cannot be one is an error") {
    const Scratch scratch;
    CHECK(explicit_address("").error().code == ErrorCode::invalid_argument);
    CHECK(explicit_address(scratch.path() + "/").error().code == ErrorCode::invalid_argument);
    CHECK(explicit_address(scratch / std::string(300, 'x')).error().code == ErrorCode::invalid_argument);
    const auto missing = explicit_address(scratch / "no/such.sock");
    CHECK(missing.error().code == ErrorCode::not_found);
    CHECK(contains(missing.error().message, "mkdir -p " + scratch / "no"));
  }

  TEST_CASE("notes tell root and interpreter of every address, bytes kept") {
    const Scratch scratch;
    auto dir = open_runtime_dir(scratch.runtime_env());
    const std::string odd = "/p/\"q\"\\\n\xff \xc3\xa9 \", \"interpreter\": \"no";
    const Address address = make_address(*dir, odd, "/py").value();
    REQUIRE(write_note(address, odd, "/py").ok());
    REQUIRE(write_pid(address, 4711).ok());
    CHECK(read_pid(address) == 4711);
    auto known = list_addresses(*dir);
    REQUIRE(known.ok());
    REQUIRE(known->size() == 1);
    CHECK(known->front().root == odd);
    CHECK(known->front().interpreter == "/py");
    CHECK(known->front().address.socket == address.socket);
    CHECK(known->front().address.life_lock == address.life_lock);
  }

  TEST_CASE("a missing or odd pid file gives no pid") {
    const Scratch scratch;
    const Address address = scratch.address();
    CHECK(read_pid(address) == 0);
    for (const char* content : {"", "x", "-5", "0"}) {
      scratch.file("run/" + address.pid, content);
      CHECK(read_pid(address) == 0);
    }
  }

  TEST_CASE("notes are not written through a symbolic link") {
    const Scratch scratch;
    const Address address = scratch.address();
    scratch.file("victim", "precious");
    scratch.link("run/" + address.pid + ".new", "../victim");
    scratch.link("run/" + address.pid, "../victim");
    CHECK(write_pid(address, 1).ok());
    CHECK(scratch.content("victim") == "precious");
    CHECK(read_pid(address) == 1);
  }
}

TEST_SUITE("pfctl/json_text") {
  TEST_CASE("bytes survive, and Python reads them as os.fsdecode gives them") {
    const std::string bytes("a\0\x01\x7f\x80\xed\xa0\x80\xf0\x9f\x98\x80\xc0\xaf\"\\/", 17);
    const std::string quoted = json::quoted(bytes);
    CHECK(json::text_field("{\"k\": " + quoted + "}", "k") == bytes);
    CHECK(contains(quoted, "\\udc80\\udced\\udca0\\udc80"));
    CHECK(contains(quoted, "\xf0\x9f\x98\x80"));
  }

  TEST_CASE("a note that was cut off has no field") {
    CHECK(json::text_field("{\"k\": \"abc", "k").empty());
    CHECK(json::text_field("", "k").empty());
    CHECK(json::text_field("{\"k\": \"ab\\u00", "k").empty());
  }
}
