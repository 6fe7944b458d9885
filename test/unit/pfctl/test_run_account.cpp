#include <doctest/doctest.h>

#include <pfctl/run_account.hpp>

#include "run_scene.hpp"

using namespace pf;
using namespace std::chrono_literals;

namespace {

using TimePoint = ctl::RunAccount::TimePoint;

constexpr TimePoint at(std::chrono::milliseconds since_start) { return TimePoint(1000s) + since_start; }

core::ItemResult result(double busy_s, const char* outcome = "passed") {
  core::ItemResult out;
  out.outcome = outcome;
  out.busy_s = busy_s;
  core::PhaseReport phase;
  phase.cpu_s = busy_s / 2;
  phase.queued_s = busy_s / 10;
  out.phases = {phase};
  return out;
}

core::WorkerFinished finished(double begun_s, double ended_s, double busy_s, std::int64_t ran) {
  core::WorkerFinished out;
  out.begun_s = 1000 + begun_s;
  out.ended_s = 1000 + ended_s;
  out.busy_s = busy_s;
  out.cpu_s = busy_s / 2;
  out.ran = ran;
  return out;
}

}  // namespace

TEST_SUITE("pfctl/run_account") {
  TEST_CASE("a worker's own word replaces what was heard of it") {
    ctl::RunAccount account;
    account.add_frame(100);
    account.add_result(0, result(0.25), at(400ms));
    account.add_frame(50);
    account.add_finished(0, finished(0.125, 0.375, 0.2, 1));
    const core::MeasuredEvent event = account.event(1, at(0ms));
    REQUIRE(event.lives.size() == 1);
    CHECK(event.lives[0].begun_s == 0.125);
    CHECK(event.lives[0].ended_s == 0.375);
    CHECK(event.lives[0].busy_s == 0.2);
    CHECK(event.lives[0].ran == 1);
    CHECK(event.wall_s == 0.375);
    CHECK(event.frames == 2);
    CHECK(event.bytes == 150);
  }

  TEST_CASE("of a lost worker it is known what it reported, and since when it ran what it was lost with") {
    ctl::RunAccount account;
    account.add_result(1, result(0.25), at(500ms));
    account.add_result(1, result(0.25), at(750ms));
    account.add_lost(1, at(760ms), at(1000ms));
    account.add_finished(1, finished(1.25, 1.5, 0.25, 3));   // its successor
    const core::MeasuredEvent event = account.event(2, at(0ms));
    REQUIRE(event.lives.size() == 2);
    CHECK(event.lives[0].begun_s == doctest::Approx(0.25));
    CHECK(event.lives[0].ended_s == doctest::Approx(1.0));
    CHECK(event.lives[0].busy_s == doctest::Approx(0.74));
    CHECK(event.lives[0].cpu_s == doctest::Approx(0.25));
    CHECK(event.lives[0].queued_s == doctest::Approx(0.05));
    CHECK(event.lives[0].ran == 3);
    CHECK(event.lives[1].ran == 3);
    CHECK(event.wall_s == doctest::Approx(1.5));
  }

  TEST_CASE("a worker that was lost before it had an item ran nothing") {
    ctl::RunAccount account;
    account.add_lost(0, std::nullopt, at(100ms));
    const core::MeasuredEvent event = account.event(1, at(0ms));
    REQUIRE(event.lives.size() == 1);
    CHECK(event.lives[0].ran == 0);
    CHECK(event.lives[0].busy_s == 0);
  }

  TEST_CASE("a try that another one follows is busy time and no item") {
    ctl::RunAccount account;
    account.add_result(0, result(0.5, "rerun"), at(500ms));
    account.add_result(0, result(0.25), at(750ms));
    const core::MeasuredEvent event = account.event(1, at(0ms));
    CHECK(event.lives[0].ran == 1);
    CHECK(event.lives[0].busy_s == 0.75);
  }

  TEST_CASE("an item that was begun before the run's start moves the start") {
    ctl::RunAccount account;
    account.add_finished(0, finished(-0.25, 1, 1, 1));
    const core::MeasuredEvent event = account.event(1, at(0ms));
    CHECK(event.lives[0].begun_s == 0);
    CHECK(event.lives[0].ended_s == 1.25);
    CHECK(event.wall_s == 1.25);
  }

  TEST_CASE("a client that asked gets the account right before its answer, a lost worker's life included") {
    for (const char* measure : {"times", ""}) {
      ctl::RunSetup setup = test::Scene::setup(1);
      setup.options.measure = measure;
      setup.processors = 8;
      test::Scene scene(std::move(setup));
      scene.select(2);
      scene.start_worker(0, 200);
      const std::uint32_t lost = scene.claim(0);
      scene.world.now += 250ms;
      scene.state.on_worker_exited(0, 200, test::killed(9), scene.world.now);
      scene.start_worker(0, 201);
      scene.claim(0);
      core::ItemResult other = test::result_of(1 - lost);
      other.busy_s = 0.125;
      scene.world.now += 125ms;
      scene.state.on_worker_frame(100);
      scene.state.on_result(0, std::move(other), scene.world.now);
      scene.world.board->finish_item(0);
      scene.state.on_worker_exited(0, 201, test::killed(9), scene.world.now);
      scene.controller_ends(1);
      const auto told = scene.world.told<core::MeasuredEvent>();
      CHECK(scene.finished().exit_code == 1);
      if (*measure == '\0') {
        CHECK(told.empty());
        continue;
      }
      REQUIRE(told.size() == 1);
      CHECK(told[0].workers == 1);
      CHECK(told[0].processors == 8);
      CHECK(told[0].frames == 1);
      CHECK(told[0].groups.size() == 2);
      CHECK(told[0].wall_s == doctest::Approx(0.375));
      REQUIRE(told[0].lives.size() == 2);
      CHECK(told[0].lives[0].busy_s == doctest::Approx(0.25));
      CHECK(told[0].lives[1].begun_s == doctest::Approx(0.25));
      CHECK(told[0].lives[1].busy_s == doctest::Approx(0.125));
      const auto& client = scene.world.client;
      REQUIRE(client.size() >= 2);
      const auto before_last = core::decode_pickle(client[client.size() - 2], core::Limits::result());
      REQUIRE(before_last.ok());
      CHECK(core::message_type(before_last->root()) == core::MeasuredEvent::k_type);
    }
  }

  TEST_CASE("no life is no time") {
    const core::MeasuredEvent event = ctl::RunAccount().event(3, at(0ms));
    CHECK(event.workers == 3);
    CHECK(event.wall_s == 0);
    CHECK(event.lives.empty());
  }
}
