#include <doctest/doctest.h>

#include <pfctl/rerun_plan.hpp>

using namespace pf::ctl;
using namespace std::chrono_literals;
using Stage = RerunPlan::Stage;
using Files = std::set<std::string>;

namespace {

constexpr TimePoint k_begin{};

}  // namespace

TEST_SUITE("pfctl/rerun_plan") {
  TEST_CASE("a save is run when it has settled: first what was edited, then the rest") {
    RerunPlan plan(200ms);
    CHECK_FALSE(plan.next(k_begin));
    plan.on_save(k_begin, {"/p/a.py"});
    plan.on_save(k_begin + 100ms, {"/p/b.py"});
    CHECK(plan.due() == k_begin + 300ms);
    CHECK_FALSE(plan.next(k_begin + 299ms));
    CHECK(plan.next(k_begin + 300ms) == Stage::edited);
    CHECK(plan.edited() == Files{"/p/a.py", "/p/b.py"});
    CHECK_FALSE(plan.next(k_begin + 9s));
    plan.on_end(true);
    CHECK(plan.next(k_begin + 1s) == Stage::rest);
    plan.on_end(false);
    CHECK_FALSE(plan.next(k_begin + 9s));
    CHECK(plan.edited().empty());
  }

  TEST_CASE("when the first stage says so there is no rest") {
    RerunPlan plan(200ms);
    plan.on_save(k_begin, {"/p/a.py"});
    CHECK(plan.next(k_begin + 1s) == Stage::edited);
    plan.on_end(false);
    CHECK_FALSE(plan.next(k_begin + 9s));
  }

  TEST_CASE("a newer save overtakes the run that is on, and what it did not finish comes first again") {
    RerunPlan plan(200ms);
    plan.on_save(k_begin, {"/p/a.py"});
    CHECK(plan.next(k_begin + 1s) == Stage::edited);
    CHECK_FALSE(plan.overtaken());
    plan.on_save(k_begin + 2s, {"/p/b.py"});
    CHECK(plan.overtaken());
    CHECK_FALSE(plan.due());        // the end of the run comes first
    plan.on_end(true);
    CHECK_FALSE(plan.overtaken());
    CHECK(plan.due() == k_begin + 2200ms);
    CHECK_FALSE(plan.next(k_begin + 2100ms));
    CHECK(plan.next(k_begin + 3s) == Stage::edited);
    CHECK(plan.edited() == Files{"/p/a.py", "/p/b.py"});
  }

  TEST_CASE("a save while the rest runs begins from the front") {
    RerunPlan plan(200ms);
    plan.on_save(k_begin, {"/p/a.py"});
    CHECK(plan.next(k_begin + 1s) == Stage::edited);
    plan.on_end(true);
    CHECK(plan.next(k_begin + 1s) == Stage::rest);
    plan.on_save(k_begin + 2s, {"/p/b.py"});
    CHECK(plan.overtaken());
    plan.on_end(false);
    CHECK(plan.next(k_begin + 3s) == Stage::edited);
    CHECK(plan.edited() == Files{"/p/b.py"});
  }

  TEST_CASE("a key is heard at once, and takes the place of what was waited for") {
    RerunPlan plan(200ms);
    plan.on_save(k_begin, {"/p/a.py"});
    plan.ask_all();
    CHECK(plan.next(k_begin) == Stage::all);
    plan.ask_failed();
    CHECK(plan.overtaken());
    plan.on_end(true);
    CHECK(plan.next(k_begin) == Stage::failed);
    plan.on_end(true);
    CHECK_FALSE(plan.next(k_begin + 9s));
    CHECK(plan.edited() == Files{"/p/a.py"});   // neither has run it to its end
  }
}
