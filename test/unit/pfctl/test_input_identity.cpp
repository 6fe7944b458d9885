#include <doctest/doctest.h>

#include <pfcore/input_identity.hpp>

#include "scratch.hpp"

using namespace pf::core;
using pf::ctl::test::Scratch;

TEST_SUITE("pfcore/input_identity") {
  TEST_CASE("an absent path has mode 0 and no hash") {
    const Scratch scratch;
    const InputFile input = identify(scratch / "none");
    CHECK(input.path == scratch / "none");
    CHECK(input.mode == 0);
    CHECK(input.content_hash.empty());
    CHECK(identify(scratch.link("dangling", "nowhere")).mode == 0);
    CHECK(hash_file(scratch / "none").empty());
    CHECK(hash_listing(scratch / "none").empty());
  }

  TEST_CASE("a file that was just written is racy and gets its hash") {
    const Scratch scratch;
    const InputFile file = identify(scratch.file("a", "x"));
    CHECK(S_ISREG(static_cast<mode_t>(file.mode)));
    CHECK(file.size == 1);
    CHECK(file.content_hash.size() == 16);
    CHECK(file.content_hash == hash_file(scratch / "a"));
    const InputFile folder = identify(scratch.path());
    CHECK(folder.content_hash == hash_listing(scratch.path()));
    CHECK(identify_only(scratch / "a").content_hash.empty());
    CHECK(same_identity(file, identify_only(scratch / "a")));
  }

  TEST_CASE("an old file needs no hash") {
    const InputFile input = identify("/bin/sh");
    CHECK(input.mode != 0);
    CHECK(input.content_hash.empty());
  }

  TEST_CASE("raciness is two seconds around the moment of reading, and all of ctime's future") {
    InputFile input;
    input.mode = S_IFREG;
    constexpr std::int64_t now = 1'000'000'000'000;
    const auto at = [&](std::int64_t mtime, std::int64_t ctime) {
      input.mtime_ns = now + mtime;
      input.ctime_ns = now + ctime;
      return is_racy(input, now);
    };
    CHECK_FALSE(at(-k_racy_ns, -k_racy_ns));
    CHECK(at(-k_racy_ns, -k_racy_ns + 1));
    CHECK(at(-k_racy_ns + 1, -k_racy_ns));
    CHECK(at(-k_racy_ns, 100 * k_racy_ns));
    CHECK(at(k_racy_ns - 1, -k_racy_ns));
    CHECK_FALSE(at(100 * k_racy_ns, -k_racy_ns));
    input.mode = 0;
    CHECK_FALSE(is_racy(input, input.ctime_ns));
  }

  TEST_CASE("a file's hash depends on its content and on nothing else") {
    const Scratch scratch;
    const std::string large(200'000, 'x');
    CHECK(hash_file(scratch.file("a", large)) == hash_file(scratch.file("b", large)));
    CHECK(hash_file(scratch / "a") != hash_file(scratch.file("c", large + "y")));
    CHECK(hash_file(scratch.file("empty")).size() == 16);
    CHECK(hash_file(scratch.path()).empty());
    REQUIRE(::mkfifo((scratch / "fifo").c_str(), 0600) == 0);
    CHECK(hash_file(scratch / "fifo").empty());
  }

  TEST_CASE("known content has a known hash, so that versions of pfast agree") {
    const Scratch scratch;
    // xxhsum -H2: XXH3-128 of "abc".
    const std::string hash = hash_file(scratch.file("abc", "abc"));
    std::string hex;
    for (const char c : hash) {
      constexpr const char* k_digits = "0123456789abcdef";
      hex += k_digits[static_cast<unsigned char>(c) >> 4];
      hex += k_digits[static_cast<unsigned char>(c) & 15];
    }
    CHECK(hex == "06b05ab6733a618578af5f94892f3950");
  }

  TEST_CASE("a symbolic link's target is part of the hash") {
    const Scratch scratch;
    scratch.file("one", "same");
    scratch.file("two", "same");
    const std::string to_one = hash_file(scratch.link("link", "one"));
    CHECK(to_one != hash_file(scratch / "one"));
    CHECK(to_one != hash_file(scratch.link("link", "two")));
    CHECK(to_one == hash_file(scratch.link("link", "one")));
  }

  TEST_CASE("a listing's hash knows names and kinds, not order, size or time") {
    const Scratch scratch;
    scratch.file("x/a");
    scratch.file("x/b");
    scratch.file("y/b", "content");
    scratch.file("y/a", "content");
    CHECK(hash_listing(scratch / "x") == hash_listing(scratch / "y"));
    std::filesystem::remove(scratch / "y/a");
    CHECK(hash_listing(scratch / "x") != hash_listing(scratch / "y"));
    scratch.folder("y/a");
    CHECK(hash_listing(scratch / "x") != hash_listing(scratch / "y"));
  }

  TEST_CASE("a link in a listing counts with the kind of what it leads to") {
    const Scratch scratch;
    scratch.folder("target-folder");
    scratch.file("target-file");
    scratch.link("x/a", "../target-folder");
    const std::string to_folder = hash_listing(scratch / "x");
    scratch.link("x/a", "../target-file");
    CHECK(hash_listing(scratch / "x") != to_folder);
    scratch.link("x/a", "../nowhere");
    CHECK(hash_listing(scratch / "x") != to_folder);
  }

  TEST_CASE("names that no collection depends on are ignored") {
    for (const char* name : {"__pycache__", ".pytest_cache", ".git", ".hg", ".svn", "a.pyc", "a.pyo", "a.py~", ".a.py.swp", ".a.py.swo",
                             ".#a.py", "#a.py#", "4913", ".coverage", ".coverage.x.1", ".mypy_cache", ".ruff_cache", ".hypothesis"}) {
      CAPTURE(name);
      CHECK(is_ignored_entry(name));
    }
    for (const char* name : {"a.py", "conftest.py", ".coveragerc", "swp", ".swp.py", "x.swp", "#", "##", "git", "49130", "pyc", ""}) {
      CAPTURE(name);
      CHECK_FALSE(is_ignored_entry(name));
    }
  }

  TEST_CASE("what editors make and remove while they work is a part of that") {
    for (const char* name : {"a.py~", ".a.py.swp", ".#a.py", "#a.py#", "4913", "a.py___jb_tmp___", ".coverage.host.1.2", ".goutputstream-X"}) {
      CAPTURE(name);
      CHECK(is_passing_entry(name));
      CHECK(is_ignored_entry(name));
    }
    for (const char* name : {".git", "__pycache__", ".coverage", "coverage.xml", "a.pyc", "a.py"}) {
      CAPTURE(name);
      CHECK_FALSE(is_passing_entry(name));
    }
  }
}
