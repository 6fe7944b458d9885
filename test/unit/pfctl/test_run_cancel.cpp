// A run that is told to stop: what tears down is waited for, what does not obey is ended.
#include <doctest/doctest.h>

#include <csignal>
#include <string>

#include "run_scene.hpp"

using namespace pf;
using namespace pf::ctl;
using namespace pf::test;
using namespace std::chrono_literals;

namespace {

// Two workers that run an item each.
struct Pair : Scene {
  Pair() : Scene(setup(2)) {
    select(6);
    for (std::size_t slot = 0; slot < 2; ++slot) {
      start_worker(slot, static_cast<std::int64_t>(200 + slot));
      (void)claim(slot);
      world.board->set_phase(slot, core::ItemPhase::call);
    }
  }
  void tears_down(std::size_t slot) { world.board->set_phase(slot, core::ItemPhase::teardown); }
  void leaves(std::size_t slot, std::string place = {}) {
    core::WorkerFinished last;
    last.interrupted = "KeyboardInterrupt";
    last.interrupted_at = std::move(place);
    state.on_worker_finished(slot, last, world.now);
    state.on_worker_exited(static_cast<std::int64_t>(slot), static_cast<std::int64_t>(200 + slot), exited(0), world.now);
  }
  [[nodiscard]] std::vector<core::OutputEvent> said() const { return world.told<core::OutputEvent>(); }
};

}  // namespace

TEST_SUITE("pfctl/run_state") {
  TEST_CASE("who tears down after an interrupt is waited for, and the client is told once; who does not is ended") {
    Pair scene;
    scene.state.on_interrupt(scene.world.now);
    scene.tears_down(0);
    scene.pass(3000ms);
    CHECK_FALSE(scene.world.signalled({200, SIGTERM, true}));
    CHECK(scene.world.signalled({201, SIGTERM, true}));
    CHECK(scene.world.signalled({201, SIGKILL, true}));
    scene.state.on_worker_exited(1, 201, killed(SIGKILL), scene.world.now);
    scene.pass(50'000ms);
    CHECK_FALSE(scene.world.signalled({200, SIGTERM, true}));
    CHECK_FALSE(scene.world.signalled({200, SIGKILL, true}));
    REQUIRE(scene.said().size() == 1);
    CHECK(scene.said()[0].stream == 2);
    CHECK(scene.said()[0].data.find("waiting for the teardown of 't.py::test_") != std::string::npos);
    scene.leaves(0);
    CHECK(scene.ends());
    scene.controller_ends(2);
    CHECK(scene.finished().exit_code == 2);
    CHECK(scene.finished().not_run == 6);
    CHECK(scene.world.told<core::ItemResult>().empty());
  }

  TEST_CASE("a teardown that does not end is ended after a minute") {
    Pair scene;
    scene.state.on_interrupt(scene.world.now);
    scene.tears_down(0);
    scene.leaves(1);
    scene.pass(59'000ms);
    CHECK_FALSE(scene.world.signalled({200, SIGTERM, true}));
    scene.pass(2000ms);
    CHECK(scene.world.signalled({200, SIGTERM, true}));
    CHECK_FALSE(scene.world.signalled({100, SIGTERM, true}));
    scene.pass(1000ms);
    CHECK(scene.world.signalled({200, SIGKILL, true}));
  }

  TEST_CASE("a second Ctrl-C ends a teardown") {
    Pair scene;
    scene.state.on_interrupt(scene.world.now);
    scene.tears_down(0);
    scene.tears_down(1);
    scene.pass(5000ms);
    scene.state.on_kill(scene.world.now);
    scene.pass(700ms);
    CHECK(scene.world.signalled({200, SIGKILL, true}));
    CHECK(scene.world.signalled({201, SIGKILL, true}));
  }

  TEST_CASE("a client that is gone leaves its run five seconds to tear down") {
    Pair scene;
    scene.state.on_client_gone(scene.world.now);
    CHECK(scene.world.signalled({200, SIGINT, false}));
    scene.tears_down(0);
    scene.leaves(1);
    scene.pass(4900ms);
    CHECK_FALSE(scene.world.signalled({200, SIGTERM, true}));
    scene.pass(1500ms);
    CHECK(scene.world.signalled({200, SIGKILL, true}));
  }

  TEST_CASE("a session's end is waited for like a teardown") {
    Pair scene;
    scene.state.on_interrupt(scene.world.now);
    scene.leaves(0);
    scene.leaves(1);
    REQUIRE(scene.ends());
    scene.pass(10'000ms);
    CHECK_FALSE(scene.world.signalled({100, SIGTERM, true}));
    REQUIRE(scene.said().size() == 1);
    CHECK(scene.said()[0].data.find("the session's end") != std::string::npos);
    scene.state.on_kill(scene.world.now);
    scene.pass(1000ms);
    CHECK(scene.world.signalled({100, SIGKILL, true}));
  }

  TEST_CASE("where workers were interrupted is told to the session and to the client") {
    Pair scene;
    scene.state.on_interrupt(scene.world.now);
    scene.leaves(1, "/p/b.py:2: KeyboardInterrupt\n");
    scene.leaves(0, "/p/a.py:1: KeyboardInterrupt\n");
    const auto end = all_of<core::EndRun>(scene.world.controller);
    REQUIRE(end.size() == 1);
    CHECK(end[0].interrupted_at == "/p/b.py:2: KeyboardInterrupt\n/p/a.py:1: KeyboardInterrupt\n");
    CHECK(end[0].interrupt_code == -1);
    scene.controller_ends(2);
    CHECK(scene.finished().reason_at == end[0].interrupted_at);
  }

  TEST_CASE("the session's own words for its early end are the run's") {
    Scene scene(Scene::setup(2));
    scene.select(2, 1);
    scene.start_worker(0, 200);
    scene.start_worker(1, 201);
    scene.finish(0, scene.claim(0), "failed");
    scene.run_to_end(0, 200);
    scene.run_to_end(1, 201);
    core::ControllerFinished finished;
    finished.exit_code = 2;
    finished.stop_reason = "Interrupted: Test failed, continuing from this test next run.";
    scene.state.on_controller_finished(finished, scene.world.now);
    CHECK(scene.finished().reason == finished.stop_reason);
  }

  TEST_CASE("a run that its client stopped is stopped as a whole, and nobody is late until it goes on") {
    Pair scene;
    scene.state.on_suspend();
    CHECK(scene.world.signalled({200, SIGSTOP, true}));
    CHECK(scene.world.signalled({201, SIGSTOP, true}));
    scene.pass(60'000ms);
    CHECK_FALSE(scene.world.signalled({200, SIGKILL, true}));
    CHECK_FALSE(scene.world.signalled({200, SIGCONT, true}));
    scene.state.on_resume(scene.world.now);
    CHECK(scene.world.signalled({200, SIGCONT, true}));
    CHECK(scene.world.signalled({201, SIGCONT, true}));
  }

  TEST_CASE("a stopped run goes on to be cancelled") {
    Pair scene;
    scene.state.on_suspend();
    scene.state.on_kill(scene.world.now);
    CHECK(scene.world.signalled({200, SIGCONT, true}));
    CHECK(scene.world.signalled({200, SIGINT, false}));
  }
}
