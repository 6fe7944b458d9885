// Items that run alone: one more worker when every other one is gone.
#include <doctest/doctest.h>

#include <vector>

#include "run_scene.hpp"

using namespace pf;
using namespace pf::ctl;
using namespace pf::test;
using namespace std::chrono_literals;

TEST_SUITE("pfctl/run_state") {
  TEST_CASE("items that run alone wait until every worker is gone") {
    Scene scene(Scene::setup(2));
    scene.select(5, 0, {1, 3});
    CHECK(scene.world.told<core::CollectedEvent>()[0].workers == 2);
    scene.start_worker(0, 200);
    scene.start_worker(1, 201);
    scene.run_to_end(0, 200);
    CHECK(scene.world.respawned.empty());
    scene.run_to_end(1, 201);
    CHECK(scene.world.respawned == std::vector<std::size_t>{0});
    CHECK_FALSE(scene.ends());
    scene.start_worker(0, 202);
    CHECK(scene.claim(0) == 1);
    SUBCASE("they pass") {
      scene.finish(0, 1);
      scene.run_to_end(0, 202);
      CHECK(scene.ends());
      scene.controller_ends(0);
      CHECK(scene.finished().exit_code == 0);
    }
    SUBCASE("one takes its worker with it: another one goes on") {
      scene.state.on_worker_exited(0, 202, killed(SIGSEGV), scene.world.now);
      CHECK(scene.world.respawned == std::vector<std::size_t>{0, 0});
      scene.start_worker(0, 203);
      CHECK(scene.claim(0) == 3);
      scene.finish(0, 3);
      scene.run_to_end(0, 203);
      CHECK(scene.ends());
      scene.controller_ends(1);
      CHECK(scene.finished().exit_code == 1);
      CHECK(scene.finished().not_run == 0);
    }
  }

  TEST_CASE("no more workers are started than there are items beside each other") {
    Scene scene(Scene::setup(4));
    scene.select(5, 0, {0, 1, 2});
    CHECK(scene.world.told<core::CollectedEvent>()[0].workers == 2);
    Scene alone(Scene::setup(4));
    alone.select(3, 0, {0, 1, 2});
    CHECK(alone.world.told<core::CollectedEvent>()[0].workers == 1);
    alone.start_worker(0, 200);
    alone.run_to_end(0, 200);
    CHECK(alone.ends());
  }

  TEST_CASE("a run that was stopped or cancelled begins no item that runs alone") {
    for (const bool cancelled : {true, false}) {
      Scene scene(Scene::setup(2));
      scene.select(4, cancelled ? 0 : 1, {3});
      scene.start_worker(0, 200);
      scene.start_worker(1, 201);
      const std::uint32_t item = scene.claim(0);
      if (cancelled) scene.state.on_interrupt(scene.world.now);
      else scene.finish(0, item, "failed");
      scene.run_to_end(0, 200);
      scene.run_to_end(1, 201);
      CHECK(scene.world.respawned.empty());
      CHECK(scene.ends());
    }
  }

  TEST_CASE("a worker for them that cannot be started leaves them undone, and the run is not green") {
    Scene scene(Scene::setup(2));
    scene.select(3, 0, {2});
    scene.start_worker(0, 200);
    scene.start_worker(1, 201);
    scene.world.refuse_respawn = true;
    scene.run_to_end(0, 200);
    scene.run_to_end(1, 201);
    CHECK(scene.ends());
    scene.controller_ends(0);
    CHECK(scene.finished().exit_code != 0);
    CHECK(scene.finished().not_run_nodeids == std::vector<std::string>{"t.py::test_2"});
  }
}
