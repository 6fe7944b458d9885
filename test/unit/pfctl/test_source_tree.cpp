#include <doctest/doctest.h>

#include <filesystem>
#include <functional>

#include <pfctl/source_tree.hpp>

#include "scratch.hpp"

using namespace pf::ctl;
using test::Scratch;
namespace fs = std::filesystem;

TEST_SUITE("pfctl/source_tree") {
  TEST_CASE("of folders every Python file counts, of files each one, there or not") {
    const Scratch scratch;
    scratch.file("src/app.py", "a");
    scratch.file("src/deep/more.py", "m");
    scratch.file("src/notes.txt", "n");
    scratch.file("src/__pycache__/app.py", "c");
    scratch.file("setup.cfg", "s");
    const SourceTree tree(scratch.path(), {"src", "absent"}, {"setup.cfg", "tox.ini"});
    const SourceTree::Snapshot before = tree.look();
    CHECK(before.size() == 4);
    CHECK_FALSE(tree.difference(before, tree.look()));
    scratch.file("src/notes.txt", "other");
    CHECK_FALSE(tree.difference(before, tree.look()));
    scratch.file("src/deep/more.py", "M");
    CHECK(tree.difference(before, tree.look()) == "changed: src/deep/more.py");
    scratch.file("src/deep/more.py", "m");
    scratch.file("tox.ini", "");
    CHECK(tree.difference(before, tree.look()) == "new: tox.ini");
    fs::remove(scratch / "tox.ini");
    fs::remove(scratch / "src/app.py");
    CHECK(tree.difference(before, tree.look()) == "deleted: src/app.py");
    scratch.file("src/app.py", "a");
    scratch.file("absent/new.py", "");
    CHECK(tree.difference(before, tree.look()) == "new: absent/new.py");
  }

  TEST_CASE("whatever makes a difference changes an input") {
    const Scratch scratch;
    scratch.file("src/app.py", "a");
    fs::create_directories(scratch / "src/deep");
    const SourceTree tree(scratch.path(), {"src", "absent"}, {"setup.cfg"});
    const auto check = [&](const std::function<void()>& change) {
      const SourceTree::Snapshot before = tree.look();
      const auto inputs = tree.inputs(before);
      CHECK_FALSE(inputs->file_change());
      change();
      CHECK(tree.difference(before, tree.look()));
      CHECK(inputs->file_change());
    };
    check([&] { scratch.file("src/app.py", "b"); });
    check([&] { scratch.file("src/deep/new.py", ""); });
    check([&] { scratch.file("setup.cfg", ""); });
    check([&] { scratch.file("absent/new.py", ""); });
    check([&] { fs::rename(scratch / "src/deep", scratch / "src/depth"); });
    check([&] { fs::remove(scratch / "src/app.py"); });
  }

  TEST_CASE("nothing to look at is empty") {
    CHECK(SourceTree().empty());
    CHECK(SourceTree("/p", {}, {}).look().empty());
  }
}
