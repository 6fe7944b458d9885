// Checks with a watch say what a walk says.
#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <pfcore/input_identity.hpp>
#include <pfctl/staleness.hpp>

#include "scratch.hpp"

using namespace pf::ctl;
using namespace std::chrono_literals;
using pf::core::InputFile;
using test::Scratch;
namespace fs = std::filesystem;

namespace {

SystemTime much_later() { return std::chrono::system_clock::now() + 1h; }

std::vector<InputFile> recorded(const std::vector<std::string>& paths) {
  std::vector<InputFile> inputs;
  for (const std::string& path : paths) inputs.push_back(pf::core::identify(path));
  return inputs;
}

void write(const std::string& path, const std::string& content) { std::ofstream(path, std::ios::binary) << content; }

// A suite's folder, its inputs, and a check that has proved that nothing changed.
struct Watched {
  Scratch scratch;
  std::vector<std::string> paths;
  std::vector<InputFile> inputs;
  std::unique_ptr<InputSet> set;

  Watched() {
    scratch.file("top/tests/test_a.py", "a");
    scratch.file("top/tests/sub/test_b.py", "b");
    scratch.file("top/lib/mod.py", "m");
    scratch.file("elsewhere/target.py", "t");
    fs::create_symlink(scratch / "elsewhere/target.py", scratch / "top/lib/link.py");
    scratch.file("elsewhere/shared.py", "s");
    fs::create_hard_link(scratch / "elsewhere/shared.py", scratch / "top/lib/shared.py");
    paths = {scratch / "top/tests/test_a.py", scratch / "top/tests/sub/test_b.py", scratch / "top/lib/mod.py",
             scratch / "top/lib/link.py",     scratch / "top/lib/shared.py",       scratch / "top/tests",
             scratch / "top/tests/sub",       scratch / "top/conftest.py",         scratch / "top/none/there.py"};
    record();
  }
  void record() {
    inputs = recorded(paths);
    set = std::make_unique<InputSet>(inputs, EnvironmentKey(), scratch.path(), much_later());
    REQUIRE_FALSE(set->file_change_at(much_later()));
    REQUIRE_MESSAGE(set->watched(), set->watch_problem());
  }
  [[nodiscard]] std::optional<std::string> walk() const {
    return InputSet(inputs, EnvironmentKey(), scratch.path(), much_later()).file_change_at(much_later());
  }
};

struct Change {
  std::string name;
  std::function<void(const Scratch&)> make;
};

}  // namespace

TEST_SUITE("pfctl/file_watch") {
  TEST_CASE("every kind of change is seen, as by a walk") {
    const std::vector<Change> changes = {
        {"an edit", [](const Scratch& s) { write(s / "top/tests/test_a.py", "A"); }},
        {"a rename over it", [](const Scratch& s) { write(s / "new", "A"); fs::rename(s / "new", s / "top/tests/test_a.py"); }},
        {"a deletion", [](const Scratch& s) { fs::remove(s / "top/lib/mod.py"); }},
        {"a new file in a listed folder", [](const Scratch& s) { write(s / "top/tests/test_new.py", ""); }},
        {"a new folder in a listed folder", [](const Scratch& s) { fs::create_directory(s / "top/tests/more"); }},
        {"an absent file comes", [](const Scratch& s) { write(s / "top/conftest.py", ""); }},
        {"an absent file comes with its folder", [](const Scratch& s) { fs::create_directory(s / "top/none"); write(s / "top/none/there.py", ""); }},
        {"the target of a link", [](const Scratch& s) { write(s / "elsewhere/target.py", "T"); }},
        {"a link is retargeted", [](const Scratch& s) { fs::remove(s / "top/lib/link.py"); fs::create_symlink(s / "top/lib/mod.py", s / "top/lib/link.py"); }},
        {"a write by another name", [](const Scratch& s) { write(s / "elsewhere/shared.py", "S"); }},
        {"a folder is renamed", [](const Scratch& s) { fs::rename(s / "top/tests/sub", s / "top/tests/bus"); }},
        {"a folder far above is renamed", [](const Scratch& s) { fs::rename(s / "top", s / "pot"); }},
        {"a folder far above is replaced", [](const Scratch& s) {
           fs::copy(s / "top", s / "copy", fs::copy_options::recursive);
           write(s / "copy/lib/mod.py", "other");
           fs::rename(s / "top", s / "old");
           fs::rename(s / "copy", s / "top");
         }},
        {"a file becomes a folder", [](const Scratch& s) { fs::remove(s / "top/lib/mod.py"); fs::create_directory(s / "top/lib/mod.py"); }},
    };
    for (const Change& change : changes) {
      CAPTURE(change.name);
      Watched suite;
      change.make(suite.scratch);
      const auto seen = suite.set->file_change_at(much_later());
      CHECK(seen);
      CHECK(seen == suite.walk());
      CHECK(suite.set->file_change_at(much_later()) == seen);
    }
  }

  TEST_CASE("what is no change leaves the answer and the watch as they are") {
    Watched suite;
    fs::create_directory(suite.scratch / "top/tests/__pycache__");
    write(suite.scratch / "top/lib/nobody_asked.py", "");
    write(suite.scratch / "top/tests/.coverage", "");
    CHECK_FALSE(suite.set->file_change_at(much_later()));
    CHECK(suite.set->watched());
    fs::permissions(suite.scratch / "top/lib/mod.py", fs::perms::owner_read);
    write(suite.scratch / "top/tests/test_a.py", "a");
    CHECK_FALSE(suite.set->file_change_at(much_later()));
    CHECK(suite.set->watched());
  }

  TEST_CASE("an edit that is taken back is taken back") {
    Watched suite;
    write(suite.scratch / "top/lib/mod.py", "broken");
    CHECK(suite.set->file_change_at(much_later()) == "changed: top/lib/mod.py");
    CHECK_FALSE(suite.set->watched());
    write(suite.scratch / "top/lib/mod.py", "m");
    CHECK_FALSE(suite.set->file_change_at(much_later()));
    CHECK(suite.set->watched());
  }

  TEST_CASE("more events than the queue holds") {
    Watched suite;
    for (int i = 0; i < 20'000; ++i) write(suite.scratch / "top/lib/mod.py", "m");
    write(suite.scratch / "top/tests/test_a.py", "A");
    CHECK(suite.set->file_change_at(much_later()) == "changed: top/tests/test_a.py");
  }

  TEST_CASE("a row of random changes, each judged as a walk judges it") {
    std::mt19937 random(20261123);
    Watched suite;
    const std::vector<std::string> names = {"top/tests/test_a.py", "top/tests/sub/test_b.py", "top/lib/mod.py",  "top/lib/link.py",
                                            "top/conftest.py",     "elsewhere/shared.py",     "top/none/there.py", "top/tests/sub/new.py",
                                            "top/tests/sub",       "top/lib",                 "top",             "elsewhere"};
    const auto any = [&] { return suite.scratch / names[random() % names.size()]; };
    std::size_t changes = 0;
    for (int step = 0; step < 1500; ++step) {
      std::error_code ignored;
      const std::string path = any();
      const unsigned what = random() % 8;
      if (what < 3) write(path, std::string(1, static_cast<char>('a' + random() % 3)));
      else if (what == 3) fs::remove_all(path, ignored);
      else if (what == 4) fs::create_directories(path, ignored);
      else if (what == 5) fs::rename(path, any(), ignored);
      else if (what == 6) fs::create_hard_link(path, any(), ignored);
      else fs::create_symlink(any(), path, ignored);
      const auto seen = suite.set->file_change_at(much_later());
      const auto walked = suite.walk();
      REQUIRE_MESSAGE(seen.has_value() == walked.has_value(), "step " << step << ": " << path << ": " << seen.value_or("same") << " / " << walked.value_or("same"));
      changes += seen ? 1 : 0;
      if (step % 3 == 2) {
        suite.inputs = recorded(suite.paths);
        suite.set = std::make_unique<InputSet>(suite.inputs, EnvironmentKey(), suite.scratch.path(), much_later());
        CHECK_FALSE(suite.set->file_change_at(much_later()));
      }
    }
    CHECK(changes > 100);
  }
}
