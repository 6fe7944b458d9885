#include <doctest/doctest.h>

#include <pfctl/read_pace.hpp>

using namespace pf::ctl;
using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

// Results at a distance of `every`; true when the last one was part of a stream.
bool is_stream_after(std::size_t results, microseconds every) {
  ReadPace pace;
  TimePoint now = TimePoint() + milliseconds(1000);
  for (std::size_t i = 0; i < results; ++i) pace.on_result(now += every);
  return pace.is_stream();
}

}  // namespace

TEST_SUITE("pfctl/read_pace") {
  TEST_CASE("many results in little time are read together") {
    CHECK(is_stream_after(1000, microseconds(100)));
    CHECK_FALSE(is_stream_after(1000, milliseconds(3)));
  }

  TEST_CASE("the first results of a run are read at once") {
    CHECK_FALSE(is_stream_after(40, microseconds(10)));
    CHECK(is_stream_after(100, microseconds(10)));
  }

  TEST_CASE("a window that was waited for begins anew") {
    ReadPace pace;
    const TimePoint now = TimePoint() + milliseconds(1000);
    for (int i = 0; i < 100; ++i) pace.on_result(now);
    CHECK(pace.is_stream());
    pace.begin_window(now + milliseconds(2));
    CHECK_FALSE(pace.is_stream());
    pace.on_result(now + milliseconds(2));
    CHECK_FALSE(pace.is_stream());
    for (int i = 0; i < 3; ++i) pace.on_result(now + milliseconds(2));
    CHECK(pace.is_stream());
  }
}
