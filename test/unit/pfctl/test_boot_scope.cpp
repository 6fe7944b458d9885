#include <doctest/doctest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <pfctl/boot_scope.hpp>

using namespace pf;
using namespace pf::ctl;

namespace {

struct Folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("pfctl-boot-scope-" + std::to_string(::getpid()));
  Folder() {
    std::filesystem::create_directories(path / "tests" / "unit");
    std::ofstream(path / "tests" / "test_a.py") << "";
    std::ofstream(path / "pytest.ini") << "";
  }
  ~Folder() { std::filesystem::remove_all(path); }
  [[nodiscard]] std::string at(const std::string& name) const { return (path / name).string(); }
  [[nodiscard]] BootScope scope(const core::OsStrings& argv) const { return scope_of(argv, path.string()); }
};

}  // namespace

TEST_SUITE("pfctl/boot_scope") {
  TEST_CASE("no path means everything") {
    const Folder folder;
    CHECK(folder.scope({}).whole);
    CHECK(folder.scope({"-x", "-k", "tests"}).whole);
    CHECK(folder.scope({"nowhere.py"}).whole);
  }

  TEST_CASE("paths are taken without their names and made absolute") {
    const Folder folder;
    const BootScope scope = folder.scope({"-v", "tests/test_a.py::test_x[a::b/c]", "tests/unit/", folder.at("pytest.ini")});
    CHECK_FALSE(scope.whole);
    CHECK(scope.paths == std::vector<std::string>{folder.at("tests/test_a.py"), folder.at("tests/unit"), folder.at("pytest.ini")});
  }

  TEST_CASE("a path that is named twice counts once") {
    const Folder folder;
    CHECK(folder.scope({"tests/test_a.py::a", "tests/test_a.py::b"}).paths.size() == 1);
  }

  TEST_CASE("values of options are no paths, also when a file has that name") {
    const Folder folder;
    CHECK(folder.scope({"-c", "pytest.ini", "--rootdir", "tests", "--ignore=tests", "--ignore", "tests"}).whole);
    CHECK(folder.scope({"--", "-c", "pytest.ini"}).paths.size() == 1);
  }

  TEST_CASE("a union drops what is covered and is whole when one part is") {
    CHECK(unite({{"/a"}, false}, {{}, true}).whole);
    CHECK(unite({{"/a/b", "/c"}, false}, {{"/a", "/c"}, false}).paths == std::vector<std::string>{"/c", "/a"});
    CHECK(unite({{"/ab"}, false}, {{"/a"}, false}).paths == std::vector<std::string>{"/ab", "/a"});
    CHECK(unite({{"/a"}, false}, {{"/a"}, false}).paths == std::vector<std::string>{"/a"});
  }

  TEST_CASE("the process key holds what the interpreter reads, in any order, and nothing else") {
    const std::string key = process_key({{"LANG", "C"}, {"PYTHONPATH", "/x"}});
    CHECK(key == process_key({{"PYTHONPATH", "/x"}, {"HOME", "/h"}, {"LANG", "C"}}));
    CHECK(key != process_key({{"PYTHONPATH", "/y"}, {"LANG", "C"}}));
    CHECK(key != process_key({{"LANG", "C"}}));
  }

  TEST_CASE("the whole covers everything, and a folder what is below it") {
    const BootScope whole{{}, true};
    const BootScope folder{{"/p/tests"}, false};
    const BootScope file{{"/p/tests/test_a.py"}, false};
    const BootScope sibling{{"/p/tests2"}, false};
    CHECK(covers(whole, whole));
    CHECK(covers(whole, file));
    CHECK_FALSE(covers(folder, whole));
    CHECK(covers(folder, folder));
    CHECK(covers(folder, file));
    CHECK_FALSE(covers(file, folder));
    CHECK_FALSE(covers(folder, sibling));
    CHECK_FALSE(covers(folder, unite(file, sibling)));
    CHECK(covers(unite(folder, sibling), unite(file, sibling)));
  }

  TEST_CASE("what comes first on sys.path keys: the program's folder, the current one for python -m pytest") {
    const auto key = [](const char* cwd, const char* program) { return generation_key({}, {}, cwd, program); };
    CHECK(key("/p", "/venv/bin/pytest") == key("/q", "/venv/bin/pytest"));
    CHECK(key("/p", "/venv/bin/pytest") == key("/p", "/venv/bin/py.test"));
    CHECK(key("/p", "/venv/bin/pytest") != key("/p", "/p/run_tests.py"));
    const char* const module = "/venv/lib/python3/site-packages/pytest/__main__.py";
    CHECK(key("/p", module) != key("/p", "/venv/bin/pytest"));
    CHECK(key("/p", module) != key("/q", module));
  }
}
