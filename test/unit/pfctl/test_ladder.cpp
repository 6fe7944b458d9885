#include <doctest/doctest.h>

#include <sys/socket.h>

#include <memory>
#include <utility>
#include <vector>

#include <pfcore/frame_socket.hpp>
#include <pfctl/ladder.hpp>
#include <pfctl/loop.hpp>

using namespace pf;
using namespace pf::ctl;

namespace {

const BootScope k_whole{{}, true};

// A checkpoint whose process is this test: it ends when `process` does.
struct Made {
  std::shared_ptr<Checkpoint> checkpoint;
  core::UniqueFd process;
};

Made make(Loop& loop, std::int64_t pid, std::int64_t mark, double work_s, BootScope scope = k_whole) {
  auto pair = core::make_socket_pair();
  REQUIRE(pair.ok());
  auto checkpoint = Checkpoint::open(loop, {pid, mark, work_s, "test_" + std::to_string(pid) + ".py"}, std::move(scope), std::move(pair->first));
  REQUIRE(checkpoint.ok());
  return {std::move(checkpoint).value(), std::move(pair->second)};
}

std::unique_ptr<Loop> make_loop() {
  auto loop = Loop::create();
  REQUIRE(loop.ok());
  return std::move(loop).value();
}

std::vector<std::int64_t> pids(const Ladder& ladder) {
  std::vector<std::int64_t> out;
  for (const auto& one : ladder.status()) out.push_back(one.pid);
  return out;
}

using Pids = std::vector<std::int64_t>;

}  // namespace

TEST_SUITE("pfctl/ladder") {
  TEST_CASE("a successor goes on from the last one that had needed nothing of what changed, and shares those before it") {
    const auto loop = make_loop();
    const Made first = make(*loop, 1, 2, 0.1), second = make(*loop, 2, 5, 0.2), third = make(*loop, 3, 9, 0.3);
    Ladder ladder;
    CHECK(ladder.top() == nullptr);
    for (const Made* one : {&first, &second, &third}) ladder.add(one->checkpoint, 12);
    CHECK(ladder.top()->pid() == 3);
    // Input number i was recorded when i had been.
    const core::U32List marks{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    CHECK(pids(ladder.up_to(marks, 10, k_whole)) == Pids{1, 2, 3});
    CHECK(pids(ladder.up_to(marks, 5, k_whole)) == Pids{1, 2});
    CHECK(pids(ladder.up_to(marks, 2, k_whole)) == Pids{1});
    CHECK(ladder.up_to(marks, 0, k_whole).empty());
    CHECK(pids(ladder.up_to(marks, std::nullopt, k_whole)) == Pids{1, 2, 3});
    CHECK(ladder.up_to(marks, 11, k_whole).empty());     // there is no such input
    CHECK(pids(ladder) == Pids{1, 2, 3});
  }

  TEST_CASE("one that leads to a part of what is wanted is none") {
    const auto loop = make_loop();
    const BootScope part{{"/p/test_a.py"}, false};
    const Made whole = make(*loop, 1, 1, 0.1), narrow = make(*loop, 2, 2, 0.2, part);
    Ladder ladder;
    ladder.add(whole.checkpoint, 12);
    ladder.add(narrow.checkpoint, 12);
    const core::U32List marks{0, 1, 2, 3};
    CHECK(pids(ladder.up_to(marks, 3, k_whole)) == Pids{1});
    CHECK(pids(ladder.up_to(marks, 3, part)) == Pids{1, 2});
  }

  TEST_CASE("one whose process has ended is none") {
    const auto loop = make_loop();
    Made first = make(*loop, 1, 1, 0.1), second = make(*loop, 2, 2, 0.2);
    Ladder ladder;
    ladder.add(first.checkpoint, 12);
    ladder.add(second.checkpoint, 12);
    CHECK(ladder.holds(2));
    second.process.reset();
    Timer watchdog(*loop, [&] { loop->stop(); });
    Timer look(*loop, [&] { if (!second.checkpoint->alive()) loop->stop(); });
    watchdog.start(Milliseconds(5000));
    look.start(Milliseconds(1), Milliseconds(1));
    loop->run();
    CHECK_FALSE(ladder.holds(2));
    CHECK(pids(ladder) == Pids{1});
    CHECK(pids(ladder.up_to({0, 1, 2, 3}, 3, k_whole)) == Pids{1});
    // The next one takes its place.
    const Made third = make(*loop, 3, 3, 0.3);
    ladder.add(third.checkpoint, 2);
    CHECK(pids(ladder) == Pids{1, 3});
  }

  TEST_CASE("of too many the one that saves least goes, and its process with it") {
    const auto loop = make_loop();
    Made first = make(*loop, 1, 1, 1.0), second = make(*loop, 2, 2, 1.01), third = make(*loop, 3, 3, 2.0);
    Ladder ladder;
    for (Made* one : {&first, &second, &third}) {
      ladder.add(std::move(one->checkpoint), 2);
    }
    CHECK(pids(ladder) == Pids{1, 3});
    char byte = 0;
    CHECK(::recv(second.process.get(), &byte, 1, MSG_DONTWAIT) == 0);    // nobody holds its other end
    ladder.clear();
    CHECK(ladder.empty());
    CHECK(::recv(first.process.get(), &byte, 1, MSG_DONTWAIT) == 0);
  }

  TEST_CASE("two ladders share what they go on from") {
    const auto loop = make_loop();
    Made first = make(*loop, 1, 1, 0.1);
    Ladder ladder;
    ladder.add(std::move(first.checkpoint), 12);
    Ladder successor = ladder.up_to({0, 1, 2}, 2, k_whole);
    ladder.clear();
    char byte = 0;
    CHECK(::recv(first.process.get(), &byte, 1, MSG_DONTWAIT) == -1);
    CHECK(successor.holds(1));
    successor.clear();
    CHECK(::recv(first.process.get(), &byte, 1, MSG_DONTWAIT) == 0);
  }
}
