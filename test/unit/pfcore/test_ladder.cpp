#include <pfcore/ladder.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include <doctest/doctest.h>

using namespace pf::core;

TEST_SUITE("pfcore/ladder") {
  const std::vector<Rung> k_rungs{{10, 0.2}, {20, 0.4}, {40, 0.8}};
  const std::vector<std::uint32_t> k_marks{0, 5, 10, 19, 20, 39, 40, 60};   // when inputs 0 to 7 were first needed

  TEST_CASE("collection goes on from the last rung that had not needed a changed input") {
    CHECK(rung_to_resume(k_rungs, k_marks, 7) == 2);
    CHECK(rung_to_resume(k_rungs, k_marks, 6) == 2);   // recorded as number 40: the rung had 0 to 39
    CHECK(rung_to_resume(k_rungs, k_marks, 5) == 1);
    CHECK(rung_to_resume(k_rungs, k_marks, 4) == 1);
    CHECK(rung_to_resume(k_rungs, k_marks, 3) == 0);
    CHECK(rung_to_resume(k_rungs, k_marks, 2) == 0);
  }

  TEST_CASE("what the first rung had needed leaves none") {
    CHECK_FALSE(rung_to_resume(k_rungs, k_marks, 1).has_value());
    CHECK_FALSE(rung_to_resume(k_rungs, k_marks, 0).has_value());
    CHECK_FALSE(rung_to_resume({}, k_marks, 7).has_value());
  }

  TEST_CASE("with nothing changed the last one will do") {
    CHECK(rung_to_resume(k_rungs, k_marks, std::nullopt) == 2);
    CHECK_FALSE(rung_to_resume({}, k_marks, std::nullopt).has_value());
  }

  TEST_CASE("an input without a mark leaves none") {
    CHECK_FALSE(rung_to_resume(k_rungs, k_marks, k_marks.size()).has_value());
    CHECK_FALSE(rung_to_resume(k_rungs, {}, 0).has_value());
  }

  TEST_CASE("nothing is dropped within the limit") {
    CHECK_FALSE(rung_to_drop(k_rungs, 3).has_value());
    CHECK_FALSE(rung_to_drop({}, 0).has_value());
  }

  TEST_CASE("the rung that saves least is dropped, and never the last one") {
    CHECK(rung_to_drop(std::array<Rung, 4>{{{1, 1.0}, {2, 1.1}, {3, 1.2}, {4, 3.0}}}, 3) == 1);
    CHECK(rung_to_drop(std::array<Rung, 4>{{{1, 0.1}, {2, 1.0}, {3, 2.0}, {4, 2.01}}}, 3) == 2);
    CHECK(rung_to_drop(std::array<Rung, 2>{{{1, 1.0}, {2, 1.0}}}, 1) == 0);
    CHECK_FALSE(rung_to_drop(std::array<Rung, 1>{{{1, 1.0}}}, 0).has_value());
  }

  TEST_CASE("a rung before a file that is edited often stays while there are others") {
    CHECK(rung_to_drop(std::array<Rung, 4>{{{1, 1.0}, {2, 1.3, true}, {3, 1.31}, {4, 3.0}}}, 3) == 2);
    CHECK(rung_to_drop(std::array<Rung, 3>{{{1, 1.0, true}, {2, 1.1, true}, {3, 1.2}}}, 2) == 1);
    CHECK(rung_to_drop(std::array<Rung, 3>{{{1, 5.0}, {2, 5.1, true}, {3, 5.2, true}}}, 2) == 0);
  }

  TEST_CASE("of many the first two and the last two stay: only one neighbour shares pages with the first and with the last") {
    std::array<Rung, 9> rungs{};
    for (std::size_t i = 0; i < rungs.size(); ++i) rungs[i] = {static_cast<std::int64_t>(i), static_cast<double>(i)};
    rungs[1].work_s = 0.1;
    rungs[4].work_s = 4.2;
    rungs[8].work_s = 7.1;
    CHECK(rung_to_drop(rungs, 8) == 5);
    CHECK(rung_to_drop(std::span(rungs).first(8), 7) == 0);
    for (Rung& rung : rungs) rung.hot = true;
    CHECK(rung_to_drop(rungs, 8).has_value());
  }

  TEST_CASE("of two that save the same the one goes that leaves the shorter step") {
    CHECK(rung_to_drop(std::array<Rung, 5>{{{0, 10}, {1, 11}, {2, 20}, {3, 23}, {4, 26}}}, 4) == 3);
  }

  TEST_CASE("the steps of a long collection stay alike, though each is judged before what follows is known") {
    std::vector<Rung> rungs;
    for (int i = 1; i <= 200; ++i) {
      rungs.push_back({i, static_cast<double>(i)});
      if (const auto drop = rung_to_drop(rungs, 12)) rungs.erase(rungs.begin() + static_cast<std::ptrdiff_t>(*drop));
      double longest = 0;
      for (std::size_t at = 1; at < rungs.size(); ++at) longest = std::max(longest, rungs[at].work_s - rungs[at - 1].work_s);
      CHECK(longest <= 3.0 * std::max(1.0, i / 12.0));
    }
  }
}
