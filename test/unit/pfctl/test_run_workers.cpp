// Workers that other runs have: a run begins with fewer and gets more.
#include <doctest/doctest.h>

#include "run_scene.hpp"

using namespace pf::ctl;
using namespace pf::test;
using namespace std::chrono_literals;

namespace {

// Three workers are asked for, the others have all but one.
struct Crowded : Scene {
  Crowded() : Scene(setup(3)) {
    world.budget = 4;
    world.others_have = 3;
    select(9);
  }
};

}  // namespace

TEST_SUITE("pfctl/run_workers") {
  TEST_CASE("the others' workers are not begun, and come as the others end") {
    Crowded scene;
    CHECK(scene.world.working == 1);
    scene.start_worker(0, 200);
    scene.pass(300ms);
    CHECK(scene.world.respawned.empty());
    CHECK(scene.state.status(scene.world.now).workers.size() == 1);
    scene.world.others_have = 2;
    scene.pass(100ms);
    CHECK(scene.world.respawned == std::vector<std::size_t>{1});
    scene.world.others_have = 0;
    scene.pass(100ms);
    CHECK(scene.world.respawned == std::vector<std::size_t>{1, 2});
    CHECK(scene.world.working == 3);
    scene.start_worker(1, 201);
    scene.start_worker(2, 202);
    scene.run_to_end(0, 200);
    scene.run_to_end(1, 201);
    CHECK_FALSE(scene.ends());
    scene.run_to_end(2, 202);
    CHECK(scene.ends());
    CHECK(scene.state.tally().complete());
    CHECK(scene.world.working == 0);
  }

  TEST_CASE("one worker does it all when the others never end") {
    Crowded scene;
    scene.start_worker(0, 200);
    scene.run_to_end(0, 200);
    CHECK(scene.ends());
    CHECK(scene.state.tally().complete());
    CHECK(scene.world.respawned.empty());
  }

  TEST_CASE("nobody is begun after a cancel") {
    Crowded scene;
    scene.start_worker(0, 200);
    scene.state.on_interrupt(scene.world.now);
    scene.world.others_have = 0;
    scene.pass(300ms);
    CHECK(scene.world.respawned.empty());
  }

  TEST_CASE("a lost worker's seat goes to its replacement") {
    Crowded scene;
    scene.start_worker(0, 200);
    (void)scene.claim(0);
    scene.state.on_worker_exited(0, 200, exited(3), scene.world.now);
    CHECK(scene.world.respawned == std::vector<std::size_t>{0});
    CHECK(scene.world.working == 1);
  }
}
