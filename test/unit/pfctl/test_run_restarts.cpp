// Workers that are lost and replaced, or not: numbers, memory, what they leave behind, and dumps of those that hang.
#include <doctest/doctest.h>

#include <csignal>

#include <pfcore/stack_signal.hpp>

#include "run_scene.hpp"

using namespace pf;
using namespace pf::ctl;
using namespace pf::test;
using namespace std::chrono_literals;

namespace {

RunSetup with_restarts(std::size_t workers, std::int64_t most) {
  RunSetup setup = Scene::setup(workers);
  setup.options.max_worker_restart = most;
  return setup;
}

// The worker of the slot dies of its next item.
void lose(Scene& scene, std::size_t slot, std::int64_t pid, int status = killed(SIGSEGV)) {
  (void)scene.claim(slot);
  scene.state.on_worker_exited(static_cast<std::int64_t>(slot), pid, status, scene.world.now);
}

std::string text_of_loss(const Scene& scene) {
  for (const auto& result : scene.world.told<core::ItemResult>()) {
    if (!result.lost.empty()) return result.lost;
  }
  return {};
}

}  // namespace

TEST_SUITE("pfctl/run_restarts") {
  TEST_CASE("so many workers are replaced, one more ends the run in xdist's words") {
    Scene scene(with_restarts(1, 2));
    scene.select(6);
    for (const std::int64_t pid : {200, 201, 202}) {
      scene.start_worker(0, pid);
      lose(scene, 0, pid);
    }
    CHECK(scene.world.respawned == std::vector<std::size_t>{0, 0});
    CHECK(scene.ends());
    scene.controller_ends(1);
    CHECK(scene.finished().reason == "maximum crashed workers reached: 2");
    CHECK(scene.finished().not_run == 3);
    CHECK(scene.finished().exit_code != 0);
  }

  TEST_CASE("with no restart allowed the first lost worker ends the run") {
    Scene scene(with_restarts(2, 0));
    scene.select(6);
    scene.start_worker(0, 200);
    scene.start_worker(1, 201);
    lose(scene, 1, 201);
    CHECK(scene.world.respawned.empty());
    CHECK(scene.world.board->stopped());
    scene.run_to_end(0, 200);
    scene.controller_ends(1);
    CHECK(scene.finished().reason == "worker gw1 crashed and worker restarting disabled");
  }

  TEST_CASE("a worker that is lost with the last item needs no replacement and ends nothing early") {
    Scene scene(with_restarts(1, 0));
    scene.select(2);
    scene.start_worker(0, 200);
    scene.finish(0, scene.claim(0));
    lose(scene, 0, 200);
    CHECK(scene.ends());
    scene.controller_ends(1);
    CHECK(scene.finished().reason == "");
    CHECK(scene.finished().not_run == 0);
  }

  TEST_CASE("xdist's option of the suite counts where pfast's own was not given") {
    Scene scene(Scene::setup(1));
    scene.state.on_forked(100, scene.world.now);
    core::Selected selected;
    selected.nodeids = {"t.py::a", "t.py::b", "t.py::c"};
    selected.groups = {0, 1, 2};
    selected.max_worker_restart = 1;
    scene.state.on_selected(std::move(selected), scene.world.now);
    for (const std::int64_t pid : {200, 201}) {
      scene.start_worker(0, pid);
      lose(scene, 0, pid);
    }
    CHECK(scene.world.respawned.size() == 1);
    scene.controller_ends(1);
    CHECK(scene.finished().reason == "maximum crashed workers reached: 1");
  }

  TEST_CASE("short of memory a run begins with one worker and says so once") {
    Scene scene(Scene::setup(3));
    scene.world.shortage = "100 MiB of memory are free";
    scene.select(9);
    CHECK(scene.world.working == 1);
    scene.start_worker(0, 200);
    scene.pass(300ms);
    CHECK(scene.world.respawned.empty());
    const auto phases = scene.world.told<core::PhaseEvent>();
    REQUIRE(phases.size() == 1);
    CHECK(phases[0].name == "run");
    CHECK(phases[0].detail == "1 of 3 workers for now: 100 MiB of memory are free");
    scene.world.shortage.clear();
    scene.pass(100ms);
    CHECK(scene.world.respawned == std::vector<std::size_t>{1, 2});
  }

  TEST_CASE("short of memory a lost worker is replaced later, and the last one at once") {
    Scene scene(Scene::setup(2));
    scene.select(8);
    scene.start_worker(0, 200);
    scene.start_worker(1, 201);
    scene.world.shortage = "1 MiB of memory is free";
    lose(scene, 1, 201);
    CHECK(scene.world.respawned.empty());
    CHECK(scene.world.working == 1);
    lose(scene, 0, 200);
    CHECK(scene.world.respawned == std::vector<std::size_t>{0});
    scene.start_worker(0, 202);
    scene.run_to_end(0, 202);
    CHECK(scene.ends());
    CHECK(scene.state.tally().complete());
  }

  TEST_CASE("a SIGKILL is told as the kernel's when it has counted one") {
    Scene scene(Scene::setup(1));
    scene.world.kills = 5;                      // of before
    scene.select(3);
    scene.start_worker(0, 200);
    lose(scene, 0, 200, killed(SIGKILL));
    CHECK(text_of_loss(scene).ends_with("killed by signal 9 (SIGKILL)"));
    scene.start_worker(0, 201);
    scene.world.client.clear();
    scene.world.kills = 6;
    lose(scene, 0, 201, killed(SIGKILL));
    CHECK(text_of_loss(scene).ends_with("killed by signal 9 (SIGKILL), probably by the kernel, since memory ran out"));
    scene.start_worker(0, 202);
    scene.world.client.clear();
    lose(scene, 0, 202, killed(SIGKILL));
    CHECK(text_of_loss(scene).ends_with("killed by signal 9 (SIGKILL)"));
  }

  TEST_CASE("a lost worker's output and stacks are in its item's report") {
    Scene scene(Scene::setup(1));
    scene.select(2);
    scene.start_worker(0, 200);
    const std::uint32_t item = scene.claim(0);
    core::WorkerExited words;
    words.slot = 0;
    words.pid = 200;
    words.status = killed(SIGSEGV);
    words.stacks = "Fatal Python error: Segmentation fault";
    words.sections = {{"Captured stdout call", "so far"}};
    scene.state.note_last_words(words);
    scene.state.on_worker_exited(0, 200, killed(SIGSEGV), scene.world.now);
    const auto results = scene.world.told<core::ItemResult>();
    REQUIRE(results.size() == 1);
    CHECK(results[0].item == item);
    const core::PhaseReport& phase = results[0].phases.at(0);
    CHECK(phase.longrepr == phase.reason + "\n\nFatal Python error: Segmentation fault");
    CHECK(phase.sections == words.sections);
    CHECK(results[0].lost == phase.reason);
  }

  TEST_CASE("words of a worker that was replaced meanwhile are nobody's") {
    Scene scene(Scene::setup(1));
    scene.select(2);
    scene.start_worker(0, 200);
    core::WorkerExited words;
    words.pid = 199;
    words.stacks = "of somebody else";
    scene.state.note_last_words(words);
    lose(scene, 0, 200);
    CHECK(scene.world.told<core::ItemResult>().at(0).phases.at(0).longrepr.find("somebody") == std::string::npos);
  }

  TEST_CASE("a worker that never came to its items ends the run with its controller's reason") {
    Scene scene(Scene::setup(1));
    scene.select(2);
    scene.state.on_worker_started(0, 200, scene.world.now);
    core::WorkerExited words;
    words.pid = 200;
    words.cause = "it did not collect the suite in time";
    scene.state.note_last_words(words);
    scene.state.on_worker_exited(0, 200, killed(SIGKILL), scene.world.now);
    CHECK(scene.world.respawned.empty());
    scene.controller_ends(0);
    CHECK(scene.finished().reason == "worker 'gw0': it did not collect the suite in time");
    CHECK(scene.finished().not_run == 2);
    CHECK(scene.finished().exit_code != 0);
  }

  TEST_CASE("a single item of a session of its own is not run in the controller") {
    Scene scene(Scene::setup(1));
    scene.state.on_forked(100, scene.world.now);
    core::Selected selected;
    selected.nodeids = {"t.py::a"};
    selected.groups = {0};
    selected.own_sessions = true;
    scene.state.on_selected(std::move(selected), scene.world.now);
    scene.start_worker(0, 200);
    CHECK(scene.state.status(scene.world.now).workers.at(0).pid == 200);
  }

  TEST_CASE("a test that runs for long has its stacks dumped once an interval and goes on") {
    RunSetup setup = Scene::setup(1);
    setup.options.hang_dump_s = 1;
    Scene scene(std::move(setup));
    scene.select(2);
    scene.start_worker(0, 200);
    const std::uint32_t item = scene.claim(0);
    scene.pass(900ms);
    CHECK(scene.world.signals.empty());
    scene.pass(300ms);
    CHECK(scene.world.signals == std::vector<Sent>{{200, core::stack_signal(), false}});
    scene.pass(1s);
    CHECK(scene.world.signals.size() == 2);
    const auto phases = scene.world.told<core::PhaseEvent>();
    REQUIRE(phases.size() == 2);
    CHECK(phases[1].detail == "worker 'gw0' has been running 't.py::test_" + std::to_string(item) + "' for 2 s; where its threads are:");
    scene.finish(0, item);
    (void)scene.claim(0);
    scene.pass(500ms);
    CHECK(scene.world.signals.size() == 2);
  }
}
