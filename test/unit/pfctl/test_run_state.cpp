#include <doctest/doctest.h>

#include <csignal>
#include <string>
#include <vector>

#include "run_scene.hpp"

using namespace pf;
using namespace pf::ctl;
using namespace pf::test;
using namespace std::chrono_literals;

TEST_SUITE("pfctl/run_state") {
  TEST_CASE("a run whose items all pass ends with 0 and leaves nothing") {
    Scene scene(Scene::setup(2));
    scene.select(4);
    const auto collected = scene.world.told<core::CollectedEvent>();
    REQUIRE(collected.size() == 1);
    CHECK(collected[0].selected == 4);
    CHECK(collected[0].workers == 2);
    scene.start_worker(0, 200);
    scene.start_worker(1, 201);
    scene.run_to_end(0, 200);
    CHECK_FALSE(scene.ends());
    scene.run_to_end(1, 201);
    REQUIRE(scene.ends());
    CHECK(all_of<core::EndRun>(scene.world.controller)[0].passed.size() == 4);
    scene.controller_ends(0);
    CHECK(scene.finished().exit_code == 0);
    CHECK(scene.finished().not_run == 0);
    CHECK(scene.finished().reason.empty());
    CHECK(scene.state.done());
    const auto results = scene.world.told<core::ItemResult>();
    REQUIRE(results.size() == 4);
    CHECK(results[0].nodeid.starts_with("t.py::test_"));
    CHECK(results[0].worker == "gw0");
  }

  TEST_CASE("a selected item without a result is never green") {
    Scene scene(Scene::setup(1));
    scene.select(3);
    scene.start_worker(0, 200);
    scene.finish(0, scene.claim(0));
    scene.state.on_worker_finished(0, core::WorkerFinished{}, scene.world.now);
    scene.controller_ends(0);
    CHECK(scene.finished().exit_code == 3);
    CHECK(scene.finished().not_run == 2);
    CHECK(scene.finished().not_run_nodeids.size() == 2);
  }

  TEST_CASE("an item that is reported twice makes the run untrusted") {
    Scene scene(Scene::setup(2));
    scene.select(2);
    scene.start_worker(0, 200);
    scene.start_worker(1, 201);
    const std::uint32_t item = scene.claim(0);
    scene.finish(0, item);
    scene.state.on_result(0, result_of(item), scene.world.now);
    scene.run_to_end(0, 200);
    scene.run_to_end(1, 201);
    scene.controller_ends(0);
    CHECK(scene.finished().exit_code == 3);
    CHECK(scene.finished().reason.find("twice") != std::string::npos);
    CHECK(scene.world.told<core::ItemResult>().size() == 2);
  }

  TEST_CASE("a result for an item that does not exist changes nothing") {
    Scene scene(Scene::setup(2));
    scene.select(2);
    scene.start_worker(0, 200);
    scene.state.on_result(0, result_of(4000000000u), scene.world.now);
    scene.state.on_result(9, result_of(0), scene.world.now);
    CHECK(scene.world.told<core::ItemResult>().empty());
    CHECK(scene.state.tally().done() == 0);
  }

  TEST_CASE("a worker that crashes is blamed on its item and replaced") {
    Scene scene(Scene::setup(2));
    scene.select(6);
    scene.start_worker(0, 200);
    scene.start_worker(1, 201);
    const std::uint32_t lost = scene.claim(0);
    scene.world.board->set_phase(0, core::ItemPhase::setup);
    scene.state.on_worker_exited(0, 200, killed(SIGSEGV), scene.world.now);
    const auto results = scene.world.told<core::ItemResult>();
    REQUIRE(results.size() == 1);
    CHECK(results[0].item == lost);
    CHECK(results[0].outcome == "failed");
    CHECK(results[0].phases[0].when == "setup");
    CHECK(results[0].lost.find("worker 'gw0' crashed while running '" + results[0].nodeid + "'") == 0);
    CHECK(results[0].lost.find("SIGSEGV") != std::string::npos);
    CHECK(scene.world.respawned == std::vector<std::size_t>{0});
    CHECK(scene.world.signalled({200, SIGKILL, true}));
    scene.start_worker(0, 300);
    scene.run_to_end(0, 300);
    scene.run_to_end(1, 201);
    scene.controller_ends(1);
    CHECK(scene.finished().exit_code == 1);
    CHECK(scene.finished().not_run == 0);
    CHECK(scene.world.told<core::ItemResult>().size() == 6);
  }

  TEST_CASE("an exit with status 0 without a last word is a crash") {
    Scene scene(Scene::setup(2));
    scene.select(2);
    scene.start_worker(0, 200);
    (void)scene.claim(0);
    scene.state.on_worker_exited(0, 200, exited(0), scene.world.now);
    const auto results = scene.world.told<core::ItemResult>();
    REQUIRE(results.size() == 1);
    CHECK(results[0].lost.find("exit code 0") != std::string::npos);
  }

  TEST_CASE("a worker that dies before its first item loses nothing, three times") {
    Scene scene(Scene::setup(2));
    scene.select(4);
    scene.start_worker(1, 201);
    for (std::int64_t pid = 300; pid < 303; ++pid) {
      scene.start_worker(0, pid);
      scene.state.on_worker_exited(0, pid, killed(SIGKILL), scene.world.now);
    }
    CHECK(scene.world.told<core::ItemResult>().empty());
    CHECK(scene.world.respawned.size() == 3);
    scene.start_worker(0, 400);
    scene.state.on_worker_exited(0, 400, killed(SIGKILL), scene.world.now);
    CHECK(scene.world.respawned.size() == 3);   // given up
    scene.run_to_end(1, 201);
    scene.controller_ends(0);
    CHECK(scene.finished().exit_code == (scene.finished().not_run > 0 ? 3 : 0));
  }

  TEST_CASE("a worker that finished may leave with any status") {
    Scene scene(Scene::setup(2));
    scene.select(2);
    scene.start_worker(0, 200);
    scene.start_worker(1, 201);
    while (const auto claimed = scene.world.board->claim(0, scene.clock_ns())) scene.finish(0, claimed->item);
    scene.state.on_worker_finished(0, core::WorkerFinished{}, scene.world.now);
    scene.state.on_worker_exited(0, 200, killed(SIGABRT), scene.world.now);
    scene.run_to_end(1, 201);
    scene.controller_ends(0);
    CHECK(scene.finished().exit_code == 0);
  }

  TEST_CASE("a worker that cannot be forked means fewer workers, not lost items") {
    Scene scene(Scene::setup(2));
    scene.select(4);
    scene.state.on_worker_started(1, 0, scene.world.now);
    scene.state.on_worker_exited(1, 0, exited(127), scene.world.now);
    CHECK(scene.world.told<core::PhaseEvent>().size() == 1);
    scene.start_worker(0, 200);
    scene.run_to_end(0, 200);
    scene.controller_ends(0);
    CHECK(scene.world.told<core::ItemResult>().size() == scene.state.tally().done());
  }

  TEST_CASE("maxfail raises the stop flag and is worded as pytest words it") {
    Scene scene(Scene::setup(1));
    scene.select(5, 1);
    scene.start_worker(0, 200);
    scene.finish(0, scene.claim(0), "failed");
    CHECK(scene.world.board->stopped());
    scene.run_to_end(0, 200);
    scene.controller_ends(1);
    CHECK(all_of<core::EndRun>(scene.world.controller)[0].stop_reason == "stopping after 1 failures");
    CHECK(scene.finished().exit_code == 1);
    CHECK(scene.finished().reason == "stopping after 1 failures");
    CHECK(scene.finished().not_run == 4);
  }

  TEST_CASE("a crash counts for maxfail, and nobody is replaced after it") {
    Scene scene(Scene::setup(2));
    scene.select(6, 1);
    scene.start_worker(0, 200);
    (void)scene.claim(0);
    scene.state.on_worker_exited(0, 200, killed(SIGSEGV), scene.world.now);
    CHECK(scene.world.board->stopped());
    CHECK(scene.world.respawned.empty());
  }

  TEST_CASE("the end waits for the workers' exit functions, and no longer than their grace") {
    Scene scene(Scene::setup(1));
    scene.select(2);
    scene.start_worker(0, 200);
    scene.finish(0, scene.claim(0));
    scene.finish(0, scene.claim(0));
    scene.state.on_worker_finished(0, core::WorkerFinished{}, scene.world.now);
    CHECK(all_of<core::EndRun>(scene.world.controller).empty());
    scene.pass(6s);
    CHECK(scene.world.signalled({200, SIGKILL, true}));
    scene.state.on_worker_exited(0, 200, killed(SIGKILL), scene.world.now);
    CHECK(all_of<core::EndRun>(scene.world.controller).size() == 1);
    scene.controller_ends(0);
    CHECK(scene.finished().exit_code == 0);
  }

  TEST_CASE("a worker that is through before it was announced ends the run when it exits") {
    Scene scene(Scene::setup(1));
    scene.select(2);
    scene.world.board->attach(0, 200);
    scene.finish(0, scene.claim(0));
    scene.finish(0, scene.claim(0));
    scene.state.on_worker_finished(0, core::WorkerFinished{}, scene.world.now);
    scene.state.on_worker_started(0, 200, scene.world.now);
    CHECK(all_of<core::EndRun>(scene.world.controller).empty());
    scene.state.on_worker_exited(0, 200, exited(0), scene.world.now);
    CHECK(all_of<core::EndRun>(scene.world.controller).size() == 1);
  }

  TEST_CASE("pytest on the terminal that ends by a Ctrl-C is interrupted, and no test is blamed") {
    Scene scene(Scene::setup(0));
    scene.state.on_forked(100, scene.world.now);
    core::Selected selected;
    selected.nodeids = {"a", "b"};
    selected.inline_run = true;
    scene.state.on_selected(selected, scene.world.now);
    scene.state.on_interrupt(scene.world.now);
    CHECK(scene.world.signalled({100, SIGINT, false}));
    scene.state.on_controller_exited(killed(SIGINT), scene.world.now);
    CHECK(scene.finished().exit_code == 2);
    CHECK(scene.finished().reason == "KeyboardInterrupt");
    CHECK(all_of<core::ItemResult>(scene.world.client).empty());
  }

  TEST_CASE("an interrupt reaches the running workers, and the verdict is 2") {
    Scene scene(Scene::setup(2));
    scene.select(6);
    scene.start_worker(0, 200);
    scene.start_worker(1, 201);
    (void)scene.claim(0);
    scene.state.on_interrupt(scene.world.now);
    CHECK(scene.world.board->stopped());
    CHECK(scene.world.signalled({200, SIGINT, false}));
    CHECK_FALSE(scene.world.signalled({201, SIGINT, false}));   // between items: the flag is enough
    core::WorkerFinished interrupted;
    interrupted.interrupted = "KeyboardInterrupt";
    scene.state.on_worker_finished(0, interrupted, scene.world.now);
    scene.state.on_worker_finished(1, core::WorkerFinished{}, scene.world.now);
    CHECK(all_of<core::EndRun>(scene.world.controller).empty());   // their exit functions run
    scene.state.on_worker_exited(0, 200, exited(0), scene.world.now);
    scene.state.on_worker_exited(1, 201, exited(0), scene.world.now);
    const auto end = all_of<core::EndRun>(scene.world.controller);
    REQUIRE(end.size() == 1);
    CHECK(end[0].interrupted);
    scene.controller_ends(2);
    CHECK(scene.finished().exit_code == 2);
    CHECK(scene.finished().reason == "KeyboardInterrupt");
  }

  TEST_CASE("a worker that ignores the interrupt is terminated, then killed, and not blamed") {
    Scene scene(Scene::setup(2));
    scene.select(2);
    scene.start_worker(0, 200);
    (void)scene.claim(0);
    scene.state.on_interrupt(scene.world.now);
    scene.pass(1900ms);
    CHECK_FALSE(scene.world.signalled({200, SIGTERM, true}));
    scene.pass(300ms);
    CHECK(scene.world.signalled({200, SIGTERM, true}));
    scene.pass(600ms);
    CHECK(scene.world.signalled({200, SIGKILL, true}));
    scene.state.on_worker_exited(0, 200, killed(SIGKILL), scene.world.now);
    CHECK(scene.world.told<core::ItemResult>().empty());
  }

  TEST_CASE("a kill needs half a second") {
    Scene scene(Scene::setup(2));
    scene.select(2);
    scene.start_worker(0, 200);
    scene.start_worker(1, 201);
    (void)scene.claim(0);
    scene.state.on_kill(scene.world.now);
    scene.pass(700ms);
    CHECK(scene.world.signalled({200, SIGKILL, true}));
    scene.state.on_worker_exited(0, 200, killed(SIGKILL), scene.world.now);
    scene.state.on_worker_exited(1, 201, killed(SIGKILL), scene.world.now);
    CHECK(scene.ends());
    scene.pass(1000ms);
    CHECK(scene.world.signalled({100, SIGKILL, true}));
    scene.state.on_controller_exited(killed(SIGKILL), scene.world.now);
    CHECK(scene.finished().exit_code == 2);
    CHECK(scene.state.done());
  }

  TEST_CASE("a cancel before the fork is answered waits for the process") {
    Scene scene(Scene::setup(2));
    scene.state.on_interrupt(scene.world.now);
    CHECK(scene.world.signals.empty());
    scene.state.on_forked(100, scene.world.now);
    CHECK(scene.world.signalled({100, SIGINT, false}));
  }

  TEST_CASE("an item over its time limit is dumped, terminated, killed and reported; its worker is replaced") {
    RunSetup setup = Scene::setup(2);
    setup.options.timeout_s = 1;
    Scene scene(std::move(setup));
    scene.select(4);
    scene.start_worker(0, 200);
    scene.start_worker(1, 201);
    const std::uint32_t item = scene.claim(0);
    scene.pass(1000ms);
    CHECK_FALSE(scene.world.signalled({200, SIGUSR1, false}));
    scene.pass(200ms);
    CHECK(scene.world.signalled({200, SIGUSR1, false}));
    scene.pass(300ms);
    CHECK(scene.world.signalled({200, SIGTERM, true}));
    scene.pass(600ms);
    CHECK(scene.world.signalled({200, SIGKILL, true}));
    scene.state.on_worker_exited(0, 200, killed(SIGKILL), scene.world.now);
    const auto results = scene.world.told<core::ItemResult>();
    REQUIRE(results.size() == 1);
    CHECK(results[0].item == item);
    CHECK(results[0].lost.find("timed out after 1 s") == 0);
    CHECK(scene.world.respawned.size() == 1);
  }

  TEST_CASE("an item that ends after the dump is left alone") {
    RunSetup setup = Scene::setup(1);
    setup.options.timeout_s = 1;
    Scene scene(std::move(setup));
    scene.select(3);
    scene.start_worker(0, 200);
    const std::uint32_t item = scene.claim(0);
    scene.pass(1200ms);
    CHECK(scene.world.signalled({200, SIGUSR1, false}));
    scene.finish(0, item);
    (void)scene.claim(0);
    scene.pass(500ms);
    CHECK_FALSE(scene.world.signalled({200, SIGTERM, true}));
  }

  TEST_CASE("a time limit does not count while results wait for a slow client") {
    RunSetup setup = Scene::setup(1);
    setup.options.timeout_s = 1;
    Scene scene(std::move(setup));
    scene.select(3);
    scene.start_worker(0, 200);
    (void)scene.claim(0);
    for (int i = 0; i < 50; ++i) scene.state.tick(scene.world.now += 100ms, true);
    scene.state.tick(scene.world.now += 100ms, false);
    CHECK(scene.world.signals.empty());
  }

  TEST_CASE("a single item runs in the controller, and its crash is that item's failure") {
    Scene scene(Scene::setup(4));
    scene.select(1);
    CHECK(scene.world.told<core::CollectedEvent>()[0].workers == 1);
    scene.world.board->attach(0, 100);
    (void)scene.claim(0);
    scene.state.on_controller_exited(killed(SIGSEGV), scene.world.now);
    CHECK(scene.world.told<core::ItemResult>()[0].outcome == "failed");
    CHECK(scene.finished().exit_code == 1);
    CHECK(scene.finished().reason.find("SIGSEGV") != std::string::npos);
    CHECK(scene.state.done());
  }

  TEST_CASE("a controller that dies leaves its workers to finish, and the run is not green") {
    Scene scene(Scene::setup(2));
    scene.select(4);
    scene.start_worker(0, 200);
    scene.start_worker(1, 201);
    const std::uint32_t item = scene.claim(0);
    scene.state.on_controller_exited(killed(SIGKILL), scene.world.now);
    CHECK(scene.world.told<core::FinishedEvent>().empty());
    scene.finish(0, item);
    scene.state.on_worker_finished(0, core::WorkerFinished{}, scene.world.now);
    CHECK(scene.state.on_orphan_exited(200, exited(0), scene.world.now));
    CHECK(scene.state.on_orphan_exited(201, killed(SIGKILL), scene.world.now));
    CHECK_FALSE(scene.state.on_orphan_exited(999, killed(SIGKILL), scene.world.now));
    CHECK(scene.finished().exit_code == 3);
    CHECK(scene.finished().reason.find("controller") != std::string::npos);
    CHECK(scene.world.told<core::ItemResult>().size() == 1);   // nobody was blamed
    CHECK(scene.state.done());
  }

  TEST_CASE("a controller that dies while it selects is named") {
    Scene scene(Scene::setup(2));
    scene.state.on_forked(100, scene.world.now);
    scene.state.on_controller_exited(exited(0), scene.world.now);
    CHECK(scene.finished().exit_code == 3);
    CHECK(scene.finished().reason.find("exit code 0") != std::string::npos);
  }

  TEST_CASE("a selection that takes too long is dumped and killed") {
    Scene scene(Scene::setup(2));
    scene.state.on_forked(100, scene.world.now);
    scene.pass(30200ms);
    CHECK(scene.world.signalled({100, SIGUSR1, false}));
    scene.pass(1200ms);
    CHECK(scene.world.signalled({100, SIGKILL, false}));
  }

  TEST_CASE("an inline run is judged by the same proof") {
    Scene scene(Scene::setup(0));
    scene.state.on_forked(100, scene.world.now);
    core::Selected selected;
    selected.nodeids = {"a", "b", "c"};
    selected.inline_run = true;
    scene.state.on_selected(std::move(selected), scene.world.now);
    scene.state.on_inline_result(result_of(0), scene.world.now);
    SUBCASE("complete") {
      scene.state.on_inline_result(result_of(1), scene.world.now);
      scene.state.on_inline_result(result_of(2), scene.world.now);
      scene.controller_ends(0);
      CHECK(scene.finished().exit_code == 0);
    }
    SUBCASE("incomplete") {
      scene.controller_ends(0);
      CHECK(scene.finished().exit_code == 3);
    }
    SUBCASE("crashed") {
      scene.state.on_controller_exited(killed(SIGABRT), scene.world.now);
      const auto results = scene.world.told<core::ItemResult>();
      REQUIRE(results.size() == 2);
      CHECK(results[1].nodeid == "b");
      CHECK(results[1].lost.find("SIGABRT") != std::string::npos);
      CHECK(scene.finished().exit_code == 3);
      CHECK(scene.finished().not_run == 1);
    }
  }

  TEST_CASE("a session that is over before it runs keeps pytest's code") {
    Scene scene(Scene::setup(2));
    scene.state.on_forked(100, scene.world.now);
    core::Selected selected;
    selected.session_over = true;
    selected.text_shown = true;
    scene.state.on_selected(std::move(selected), scene.world.now);
    scene.controller_ends(0);
    CHECK(scene.finished().exit_code == 0);
    CHECK(scene.finished().text_shown);
  }

  TEST_CASE("nothing selected is 5") {
    Scene scene(Scene::setup(2));
    scene.select(0);
    CHECK(scene.ends());
    scene.controller_ends(0);
    CHECK(scene.finished().exit_code == 5);
  }

  TEST_CASE("pytest.exit in a worker decides the code, but never makes it green") {
    for (const std::int64_t code : {0, 7}) {
      Scene scene(Scene::setup(1));
      scene.select(3);
      scene.start_worker(0, 200);
      scene.finish(0, scene.claim(0));
      core::WorkerFinished finished;
      finished.interrupted = "Exit: enough";
      finished.exit_code = code;
      scene.state.on_worker_finished(0, finished, scene.world.now);
      scene.controller_ends(code);
      CHECK(scene.finished().exit_code == (code == 0 ? 2 : 7));
      CHECK(scene.finished().reason == "Exit: enough");
    }
  }

  TEST_CASE("an internal error of a worker is 3 and shown") {
    Scene scene(Scene::setup(1));
    scene.select(3);
    scene.start_worker(0, 200);
    core::WorkerFinished finished;
    finished.internal_error = "Traceback: boom";
    scene.state.on_worker_finished(0, finished, scene.world.now);
    scene.controller_ends(0);
    CHECK(scene.finished().exit_code == 3);
    CHECK(scene.world.told<core::OutputEvent>()[0].data.find("boom") != std::string::npos);
  }

  TEST_CASE("a fork that fails is a refusal with a hint") {
    Scene scene(Scene::setup(2));
    scene.state.on_fork_failed("Resource temporarily unavailable", scene.world.now);
    const auto errors = scene.world.told<core::ErrorEvent>();
    REQUIRE(errors.size() == 1);
    CHECK(errors[0].code == "fork-failed");
    CHECK(scene.state.done());
  }

  TEST_CASE("no descriptors for even one worker is a refusal") {
    Scene scene(Scene::setup(2));
    scene.world.refuse_workers = true;
    scene.select(3);
    CHECK(scene.world.told<core::ErrorEvent>()[0].code == "no-workers");
    CHECK(scene.world.signalled({100, SIGKILL, true}));
    scene.state.on_controller_exited(killed(SIGKILL), scene.world.now);
    CHECK(scene.world.told<core::FinishedEvent>().empty());
    CHECK(scene.state.done());
  }

  TEST_CASE("a worker that closes its channel is given a second, then killed") {
    Scene scene(Scene::setup(2));
    scene.select(4);
    scene.start_worker(0, 200);
    scene.start_worker(1, 201);
    scene.state.on_worker_silent(0, false, scene.world.now);
    scene.pass(900ms);
    CHECK_FALSE(scene.world.signalled({200, SIGKILL, true}));
    scene.pass(300ms);
    CHECK(scene.world.signalled({200, SIGKILL, true}));
    scene.state.on_worker_silent(1, true, scene.world.now);
    CHECK(scene.world.signalled({201, SIGKILL, true}));
  }

  TEST_CASE("a stopped worker is killed") {
    Scene scene(Scene::setup(2));
    scene.select(4);
    scene.start_worker(0, 200);
    scene.world.process = RunEffects::Process::stopped;
    scene.pass(2000ms);
    CHECK(scene.world.signalled({200, SIGKILL, true}));
  }

  TEST_CASE("a controller that is gone is given a moment for its last words to be read") {
    Scene scene(Scene::setup(1));
    scene.select(2);
    scene.start_worker(0, 200);
    scene.run_to_end(0, 200);
    scene.world.process = RunEffects::Process::gone;
    scene.pass(900ms);
    CHECK(scene.world.told<core::FinishedEvent>().empty());
    scene.controller_ends(0);
    scene.pass(2000ms);
    CHECK(scene.finished().exit_code == 0);
    CHECK(scene.state.done());
  }

  TEST_CASE("a controller that is gone without a word is told once") {
    Scene scene(Scene::setup(1));
    scene.select(2);
    scene.start_worker(0, 200);
    scene.run_to_end(0, 200);
    scene.world.process = RunEffects::Process::gone;
    scene.pass(2000ms);
    CHECK(scene.finished().exit_code == 3);
    CHECK(scene.state.done());
  }

  TEST_CASE("a run that is over and whose processes stay is killed and then given up") {
    Scene scene(Scene::setup(1));
    scene.select(2);
    scene.start_worker(0, 200);
    while (const auto claimed = scene.world.board->claim(0, scene.clock_ns())) scene.finish(0, claimed->item);
    scene.state.on_worker_finished(0, core::WorkerFinished{}, scene.world.now);
    scene.state.on_controller_finished(core::ControllerFinished{}, scene.world.now);
    CHECK(scene.finished().exit_code == 0);
    CHECK_FALSE(scene.state.done());
    scene.pass(2200ms);
    CHECK(scene.world.signalled({200, SIGKILL, true}));
    CHECK(scene.world.signalled({100, SIGKILL, true}));
    scene.pass(2200ms);
    CHECK(scene.state.done());
  }

  TEST_CASE("progress is told when something has changed, and at most ten times a second") {
    Scene scene(Scene::setup(2));
    scene.select(4);
    scene.start_worker(0, 200);
    (void)scene.claim(0);
    scene.pass(1000ms);
    const auto events = scene.world.told<core::ProgressEvent>();
    REQUIRE(events.size() == 1);
    CHECK(events[0].total == 4);
    REQUIRE(events[0].running.size() == 1);
    CHECK(events[0].running[0].first == "gw0");
  }
}
