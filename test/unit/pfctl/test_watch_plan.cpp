#include <doctest/doctest.h>

#include <pfctl/watch_plan.hpp>

using namespace pf::ctl;
using namespace std::chrono_literals;

namespace {

// A clock that stands where it is put.
struct Scene {
  WatchPlan plan{700ms};
  TimePoint now{};

  void news(bool touched, bool outdated) { plan.on_news(now, touched, outdated); }
  // Time goes on; true: it asks, at the end of that time and not before.
  bool asks_after(Milliseconds time) {
    if (plan.ask(now + time - 1ms)) return false;
    now += time;
    return plan.ask(now);
  }
};

}  // namespace

TEST_SUITE("pfctl/watch_plan") {
  TEST_CASE("it asks when the last event is as old as the debounce") {
    Scene scene;
    CHECK_FALSE(scene.plan.due());
    scene.news(true, true);
    scene.now += 500ms;
    scene.news(true, true);
    CHECK(scene.plan.due() == scene.now + 700ms);
    CHECK(scene.asks_after(700ms));
    CHECK(scene.plan.refreshing());
    CHECK_FALSE(scene.plan.due());
  }

  TEST_CASE("what is no change is no reason, and an edit that is taken back is none any more") {
    Scene scene;
    scene.news(true, false);
    CHECK_FALSE(scene.plan.due());
    scene.news(true, true);
    scene.now += 300ms;
    scene.news(true, false);
    CHECK_FALSE(scene.plan.due());
    CHECK_FALSE(scene.plan.ask(scene.now + 10s));
  }

  TEST_CASE("what was outdated before anybody watched is a reason without an event") {
    Scene scene;
    scene.news(false, true);
    CHECK(scene.asks_after(700ms));
  }

  TEST_CASE("the same word again, without an event, does not put the question off") {
    Scene scene;
    scene.news(true, true);
    scene.now += 300ms;
    scene.news(false, true);
    CHECK(scene.asks_after(400ms));
  }

  TEST_CASE("saves during a refresh are asked for when it is over, once") {
    Scene scene;
    scene.news(true, true);
    CHECK(scene.asks_after(700ms));
    scene.now += 100ms;
    scene.news(true, true);
    scene.now += 100ms;
    scene.news(true, true);
    CHECK_FALSE(scene.plan.ask(scene.now + 5s));
    scene.plan.on_answer();
    CHECK(scene.asks_after(700ms));
    scene.plan.on_answer();
    scene.news(false, false);
    CHECK_FALSE(scene.plan.due());
  }

  TEST_CASE("a save during a refresh that came in time needs no second one") {
    Scene scene;
    scene.news(true, true);
    CHECK(scene.asks_after(700ms));
    scene.news(true, true);
    scene.plan.on_answer();
    scene.news(false, false);       // the new generation has it
    CHECK_FALSE(scene.plan.ask(scene.now + 5s));
  }

  TEST_CASE("what failed is not asked for again before something happens") {
    Scene scene;
    scene.news(true, true);
    CHECK(scene.asks_after(700ms));
    scene.news(false, false);       // the daemon knows that it would fail again
    scene.plan.on_answer();
    CHECK_FALSE(scene.plan.due());
    scene.news(true, true);
    CHECK(scene.asks_after(700ms));
  }

  TEST_CASE("files that change whenever the suite is collected are asked for more and more rarely") {
    Scene scene;
    scene.news(true, true);
    CHECK(scene.asks_after(700ms));
    Milliseconds wait = 700ms;
    for (int boot = 0; boot < 6; ++boot) {
      scene.plan.on_answer();
      scene.news(false, true);      // outdated on arrival
      CHECK(scene.asks_after(wait));
      wait *= 2;
    }
    scene.plan.on_answer();
    scene.news(true, true);         // somebody saves
    CHECK(scene.asks_after(700ms));
    scene.plan.on_answer();
    scene.news(false, true);
    CHECK(scene.asks_after(700ms));
  }

  TEST_CASE("of another daemon nothing is known") {
    Scene scene;
    scene.news(true, true);
    CHECK(scene.asks_after(700ms));
    scene.plan.forget();
    CHECK_FALSE(scene.plan.refreshing());
    CHECK_FALSE(scene.plan.due());
    scene.news(false, true);
    CHECK(scene.asks_after(700ms));
  }
}
