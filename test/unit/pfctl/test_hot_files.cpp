#include <doctest/doctest.h>

#include <pfctl/hot_files.hpp>

using namespace pf;

TEST_SUITE("pfctl/hot_files") {
  TEST_CASE("the last ones are kept, each once, the newest first") {
    ctl::HotFiles hot;
    CHECK(hot.paths().empty());
    for (const char* const path : {"/a", "/b", "/a"}) hot.note(path);
    CHECK(hot.paths() == core::OsStrings{"/a", "/b"});
    for (const char* const path : {"/c", "/d", "/e"}) hot.note(path);
    CHECK(hot.paths() == core::OsStrings{"/e", "/d", "/c", "/a"});
  }
}
