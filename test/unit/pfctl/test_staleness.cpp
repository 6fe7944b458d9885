#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include <pfcore/input_identity.hpp>
#include <pfctl/staleness.hpp>

#include "scratch.hpp"

using namespace pf::ctl;
using namespace std::chrono_literals;
using pf::core::identify;
using pf::core::InputFile;
using test::contains;
using test::Scratch;

namespace {

InputFile bare(const std::string& path) { return pf::core::identify_only(path); }

// Everything that was written so far counts as old.
SystemTime much_later() { return std::chrono::system_clock::now() + 1h; }

InputSet settled(std::vector<InputFile> inputs, const Scratch& scratch) {
  return {std::move(inputs), EnvironmentKey(), scratch.path(), much_later()};
}

// The content changes, size and time stamps as far as a program can set them do not.
void edit_silently(const std::string& path, const std::string& content) {
  struct stat before;
  REQUIRE(::stat(path.c_str(), &before) == 0);
  std::ofstream(path, std::ios::binary | std::ios::in) << content;
  const struct timespec times[2] = {before.st_atim, before.st_mtim};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

}  // namespace

TEST_SUITE("pfctl/staleness") {
  TEST_CASE("inputs that are what they were are not stale") {
    const Scratch scratch;
    const std::string file = scratch.file("tests/test_a.py", "x");
    const InputSet inputs = settled({identify(file), bare(file), identify(scratch / "tests"), bare(scratch / "conftest.py")}, scratch);
    CHECK_FALSE(inputs.file_change());
    CHECK(inputs.size() == 4);
    CHECK(inputs.paths()[3] == scratch / "conftest.py");
  }

  TEST_CASE("a summary counts what there is, and the folders that a watch takes") {
    const Scratch scratch;
    const std::string file = scratch.file("tests/test_a.py", "x");
    const InputSet inputs = settled({identify(file), identify(scratch / "tests"), bare(scratch / "conftest.py"), bare("/nowhere/at/all")}, scratch);
    auto summary = inputs.summary();
    REQUIRE(summary);
    CHECK(summary->inputs == 4);
    CHECK(summary->folders == 1);
    CHECK(summary->absent == 2);
    CHECK(summary->watch_folders == 2);   // tests, and the folder that it is in
    CHECK_FALSE(summary->watched);
    CHECK_FALSE(inputs.file_change());
    summary = inputs.summary();
    REQUIRE(summary);
    CHECK(summary->watched == inputs.watched());
    CHECK(summary->watch_problem == inputs.watch_problem());
    if (summary->watched) CHECK(summary->watch_folders == 2);
  }

  TEST_CASE("an edit is a change, named by its path from the root") {
    const Scratch scratch;
    const InputSet inputs = settled({identify(scratch.file("tests/test_a.py", "x = 1"))}, scratch);
    scratch.file("tests/test_a.py", "x = 2");
    CHECK(inputs.file_change() == "changed: tests/test_a.py");
    CHECK(inputs.file_change() == "changed: tests/test_a.py");
  }

  TEST_CASE("an edit that keeps size and mtime is seen by its ctime") {
    const Scratch scratch;
    const std::string file = scratch.file("a.py", "x = 1");
    const InputSet with_hash = settled({identify(file)}, scratch);
    const InputSet without = settled({bare(file)}, scratch);
    edit_silently(file, "x = 2");
    CHECK(with_hash.file_change() == "changed: a.py");
    CHECK(without.file_change() == "changed: a.py");
  }

  TEST_CASE("a replaced file with an older time stamp is seen") {
    const Scratch scratch;
    const InputSet inputs = settled({identify(scratch.file("a.py", "x = 1"))}, scratch);
    const std::string other = scratch.file("b.py", "x = 2");
    const struct timespec old[2] = {{1, 0}, {1, 0}};
    REQUIRE(::utimensat(AT_FDCWD, other.c_str(), old, 0) == 0);
    std::filesystem::rename(other, scratch / "a.py");
    CHECK(inputs.file_change() == "changed: a.py");
  }

  TEST_CASE("a touch, a chmod and a rewrite with the same content are no change, and are remembered") {
    const Scratch scratch;
    const std::string file = scratch.file("a.py", "same");
    const InputSet inputs = settled({identify(file)}, scratch);
    REQUIRE(::utimensat(AT_FDCWD, file.c_str(), nullptr, 0) == 0);
    CHECK_FALSE(inputs.file_change());
    ::chmod(file.c_str(), 0755);
    CHECK_FALSE(inputs.file_change());
    std::filesystem::remove(file);
    scratch.file("a.py", "same");
    CHECK_FALSE(inputs.file_change());
    // Changed just now: an equal identity is not believed yet.
    CHECK(inputs.unsettled() == 1);
    CHECK_FALSE(inputs.file_change_at(much_later()));
    CHECK(inputs.unsettled() == 0);
  }

  TEST_CASE("without a hash a touch is a change") {
    const Scratch scratch;
    const std::string file = scratch.file("a.so", "same");
    const InputSet inputs = settled({bare(file)}, scratch);
    REQUIRE(::utimensat(AT_FDCWD, file.c_str(), nullptr, 0) == 0);
    CHECK(inputs.file_change() == "changed: a.so");
  }

  TEST_CASE("of a path whose kind alone was asked for only the kind counts") {
    const Scratch scratch;
    InputFile input = bare(scratch.file("report.xml", "old"));
    input.dev = input.ino = input.size = 0;
    input.mtime_ns = input.ctime_ns = 0;
    const InputSet inputs = settled({input}, scratch);
    scratch.file("report.xml", "new and longer");
    CHECK_FALSE(inputs.file_change());
    std::filesystem::remove(scratch / "report.xml");
    CHECK(inputs.file_change() == "deleted: report.xml");
    std::filesystem::create_directory(scratch / "report.xml");
    CHECK(inputs.file_change() == "changed: report.xml");
  }

  TEST_CASE("deleted and new files are named as such") {
    const Scratch scratch;
    const std::string gone = scratch.file("sub/gone.py", "x");
    const InputSet inputs = settled({identify(scratch / "sub"), identify(gone)}, scratch);
    std::filesystem::remove(gone);
    CHECK(inputs.file_change() == "deleted: sub/gone.py");
    std::filesystem::remove_all(scratch / "sub");
    CHECK(contains(inputs.file_change().value_or(""), "deleted: sub"));

    const InputSet absent = settled({bare(scratch / "conftest.py"), bare(scratch / "no/such/file")}, scratch);
    CHECK_FALSE(absent.file_change());
    scratch.file("conftest.py");
    CHECK(absent.file_change() == "new: conftest.py");
  }

  TEST_CASE("a file that came back with the same content is no change") {
    const Scratch scratch;
    const std::string file = scratch.file("a.py", "x");
    const InputSet inputs = settled({identify(file)}, scratch);
    std::filesystem::remove(file);
    CHECK(inputs.file_change() == "deleted: a.py");
    scratch.file("a.py", "x");
    CHECK_FALSE(inputs.file_change());
  }

  TEST_CASE("a file in a listed folder that came, went or was renamed is a change of the folder") {
    const Scratch scratch;
    scratch.file("tests/test_a.py");
    const InputSet inputs = settled({identify(scratch / "tests")}, scratch);
    scratch.file("tests/test_b.py");
    CHECK(inputs.file_change() == "changed: tests/ (files came or went)");
    std::filesystem::remove(scratch / "tests/test_b.py");
    CHECK_FALSE(inputs.file_change());
    std::filesystem::rename(scratch / "tests/test_a.py", scratch / "tests/test_c.py");
    CHECK(inputs.file_change());
  }

  TEST_CASE("what Python, pytest, version control and editors leave behind is no change") {
    const Scratch scratch;
    scratch.file("tests/test_a.py");
    const InputSet inputs = settled({identify(scratch / "tests")}, scratch);
    for (const char* name : {"__pycache__/a.pyc", ".pytest_cache/x", "test_a.py~", ".test_a.py.swp", ".#test_a.py", "#test_a.py#", "4913",
                             ".coverage", ".coverage.host.1.2", ".mypy_cache/x", ".hypothesis/x", "a.pyc"}) {
      scratch.file(std::string("tests/") + name, "x");
    }
    CHECK_FALSE(inputs.file_change());
    scratch.file("tests/.coveragerc");
    CHECK(inputs.file_change());
  }

  TEST_CASE("a file that became a folder is a change") {
    const Scratch scratch;
    const InputSet inputs = settled({identify(scratch.file("a", "x"))}, scratch);
    std::filesystem::remove(scratch / "a");
    scratch.folder("a");
    CHECK(inputs.file_change() == "changed: a");
  }

  TEST_CASE("a retargeted symbolic link is a change, of equal content too") {
    const Scratch scratch;
    scratch.file("one.py", "same");
    scratch.file("two.py", "same");
    const std::string link = scratch.link("a.py", "one.py");
    const InputSet inputs = settled({identify(link)}, scratch);
    CHECK_FALSE(inputs.file_change());
    scratch.link("a.py", "two.py");
    CHECK(inputs.file_change() == "changed: a.py");
    scratch.link("a.py", "nowhere");
    CHECK(inputs.file_change() == "deleted: a.py");
  }

  TEST_CASE("a change behind a symbolic link or in a folder that is one is seen") {
    const Scratch scratch;
    scratch.file("v1/m.py", "x = 1");
    scratch.file("v2/m.py", "x = 2");
    scratch.link("current", "v1");
    const InputSet inputs = settled({identify(scratch / "current/m.py")}, scratch);
    CHECK_FALSE(inputs.file_change());
    scratch.link("current", "v2");
    CHECK(inputs.file_change() == "changed: current/m.py");
  }

  TEST_CASE("an edit in the tick in which the file was loaded is seen by its content") {
    const Scratch scratch;
    const std::string file = scratch.file("a.py", "x = 1");
    InputFile input = identify(file);
    scratch.file("a.py", "x = 2");
    // As if the file system's clock had not moved between load and edit.
    const InputFile now = pf::core::identify_only(file);
    input.dev = now.dev, input.ino = now.ino, input.size = now.size, input.mode = now.mode;
    input.mtime_ns = now.mtime_ns, input.ctime_ns = now.ctime_ns;
    const auto boot = std::chrono::system_clock::now() - 100ms;
    const InputSet racy({input}, EnvironmentKey(), scratch.path(), boot);
    CHECK(racy.file_change() == "changed: a.py");
    const InputSet unknown({input}, EnvironmentKey(), scratch.path());
    CHECK(unknown.file_change() == "changed: a.py");
  }

  TEST_CASE("an unchanged racy input is read until it is old, and not after that") {
    const Scratch scratch;
    const InputSet inputs({identify(scratch.file("a.py", "x"))}, EnvironmentKey(), scratch.path(), std::chrono::system_clock::now());
    CHECK(inputs.unsettled() == 1);
    CHECK_FALSE(inputs.file_change());
    CHECK(inputs.unsettled() == 1);
    CHECK_FALSE(inputs.file_change_at(std::chrono::system_clock::now() + 3s));
    CHECK(inputs.unsettled() == 0);
  }

  TEST_CASE("a file with a time stamp in the future does not blind the check") {
    const Scratch scratch;
    const std::string future = scratch.file("future.py", "x = 1");
    const struct timespec times[2] = {{4'000'000'000, 0}, {4'000'000'000, 0}};
    REQUIRE(::utimensat(AT_FDCWD, future.c_str(), times, 0) == 0);
    const std::string other = scratch.file("other.py", "y = 1");
    const InputSet inputs = settled({identify(future), identify(other)}, scratch);
    CHECK_FALSE(inputs.file_change_at(much_later()));
    CHECK(inputs.unsettled() == 0);
    edit_silently(future, "x = 2");
    CHECK(inputs.file_change() == "changed: future.py");
    edit_silently(future, "x = 1");
    CHECK_FALSE(inputs.file_change());
    scratch.file("other.py", "y = 2");
    CHECK(inputs.file_change() == "changed: other.py");
  }

  TEST_CASE("the first changed file in order is the reason, whatever folders changed") {
    const Scratch scratch;
    const std::string b = scratch.file("tests/b.py", "1");
    const std::string a = scratch.file("tests/a.py", "1");
    const InputSet inputs = settled({identify(scratch / "tests"), identify(b), identify(a)}, scratch);
    scratch.file("tests/new.py");
    scratch.file("tests/a.py", "2");
    CHECK(inputs.file_change() == "changed: tests/a.py");
    scratch.file("tests/b.py", "2");
    CHECK(inputs.file_change() == "changed: tests/b.py");
  }

  TEST_CASE("the environment is asked first") {
    const Scratch scratch;
    pf::core::BootReady ready;
    ready.inputs = {identify(scratch.file("a.py", "1"))};
    ready.env_read = {{"FOO", "1"}};
    const InputSet inputs = InputSet::from(std::move(ready), {{"FOO", "1"}}, scratch.path());
    CHECK_FALSE(inputs.check({{"FOO", "1"}}));
    CHECK(inputs.check({}) == "environment: FOO was removed");
    scratch.file("a.py", "2");
    CHECK(inputs.check({{"FOO", "1"}}) == "changed: a.py");
  }

  TEST_CASE("the inputs of a failed boot tell when it is worth another try") {
    const Scratch scratch;
    pf::core::BootFailed failed;
    failed.inputs = {identify(scratch.file("conftest.py", "boom("))};
    const InputSet inputs = InputSet::from(std::move(failed), scratch.path());
    CHECK_FALSE(inputs.check({{"ANY", "thing"}}));
    scratch.file("conftest.py", "mended = 1");
    CHECK(inputs.file_change() == "changed: conftest.py");
  }

  TEST_CASE("paths that are odd are no trouble") {
    const Scratch scratch;
    const InputSet inputs = settled({bare("/"), bare("relative"), bare(""), bare(scratch.path()), bare(scratch / "\xff\n")}, scratch);
    CHECK_FALSE(inputs.file_change());
  }

  TEST_CASE("an empty set is never stale") {
    CHECK_FALSE(InputSet().check({{"A", "1"}}));
  }

  TEST_CASE("checks from several threads at once agree") {
    const Scratch scratch;
    std::vector<InputFile> files;
    for (int i = 0; i < 200; ++i) files.push_back(identify(scratch.file("d/f" + std::to_string(i), std::to_string(i))));
    const InputSet inputs({files}, EnvironmentKey(), scratch.path());
    std::vector<std::thread> threads;
    std::atomic<int> stale = 0;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int turn = 0; turn < 5; ++turn) stale += inputs.file_change().has_value() ? 1 : 0;
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(stale == 0);
  }

  TEST_CASE("a thousand deleted files of a checkout are not read to know it") {
    const Scratch scratch;
    std::vector<InputFile> files;
    for (int i = 0; i < 1000; ++i) files.push_back(identify(scratch.file("d" + std::to_string(i % 10) + "/f" + std::to_string(i), "x")));
    const InputSet inputs = settled(files, scratch);
    for (int i = 0; i < 10; ++i) std::filesystem::remove_all(scratch / ("d" + std::to_string(i)));
    CHECK(inputs.file_change() == "deleted: d0/f0");
  }

  TEST_CASE("the first input in the order of recording that is not what it was") {
    const Scratch scratch;
    std::vector<std::string> files;
    for (const char* name : {"z.py", "a.py", "m.py"}) files.push_back(scratch.file(name, "x"));
    const InputSet inputs = settled({identify(files[0]), identify(files[1]), identify(files[2]), bare(scratch / "none.py"), identify(scratch.path())}, scratch);
    CHECK_FALSE(inputs.first_changed());
    scratch.file("m.py", "x");                         // touched
    CHECK_FALSE(inputs.first_changed());
    scratch.file("m.py", "y");
    CHECK(inputs.first_changed() == 2);
    scratch.file("none.py");
    CHECK(inputs.first_changed() == 2);
    std::filesystem::remove(files[1]);
    CHECK(inputs.first_changed() == 1);
    scratch.file("z.py", "longer");
    CHECK(inputs.first_changed() == 0);
    // Nothing was learnt: what is again as it was is so.
    scratch.file("z.py", "x");
    scratch.file("a.py", "x");
    scratch.file("m.py", "x");
    CHECK(inputs.first_changed() == 3);
    std::filesystem::remove(scratch / "none.py");
    CHECK_FALSE(inputs.first_changed());
    scratch.file("new.py");
    CHECK(inputs.first_changed() == 4);
  }
}
