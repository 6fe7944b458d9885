#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include <pfctl/loop.hpp>

using namespace pf::ctl;

namespace {

std::unique_ptr<Loop> make_loop() {
  auto loop = Loop::create();
  REQUIRE(loop.ok());
  return std::move(loop).value();
}

// Ends a loop that would wait for ever.
struct Watchdog {
  Timer timer;
  explicit Watchdog(Loop& loop, Milliseconds after = Milliseconds(2000)) : timer(loop, [&loop] { loop.stop(); }) { timer.start(after); }
};

}  // namespace

TEST_SUITE("pfctl/loop") {
  TEST_CASE("a deferred task runs before the loop sleeps, also one that a task defers") {
    auto loop = make_loop();
    std::vector<int> order;
    Timer timer(*loop, [&] {
      loop->defer([&] {
        order.push_back(2);
        loop->defer([&] {
          order.push_back(3);
          loop->stop();
        });
      });
      order.push_back(1);
    });
    timer.start(Milliseconds(1));
    const Watchdog watchdog(*loop);
    loop->run();
    CHECK(order == std::vector<int>{1, 2, 3});
  }

  TEST_CASE("a callback may destroy its own timer") {
    auto loop = make_loop();
    std::unique_ptr<Timer> timer;
    int fired = 0;
    timer = std::make_unique<Timer>(*loop, [&] {
      ++fired;
      timer.reset();
    });
    timer->start(Milliseconds(1), Milliseconds(1));
    const Watchdog watchdog(*loop, Milliseconds(30));
    loop->run();
    CHECK(fired == 1);
  }

  TEST_CASE("work runs elsewhere and its end is told here") {
    auto loop = make_loop();
    bool worked = false;
    loop->queue_work([&] { worked = true; }, [&] { loop->stop(); });
    const Watchdog watchdog(*loop);
    loop->run();
    CHECK(worked);
  }
}
