#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <random>
#include <vector>

#include <pfcore/metrics_verdict.hpp>

using namespace pf::core;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

// A worker that begins at once and runs items of `busy`, `cpu` of it on a processor, and then has nothing to do.
WorkerLife worker(std::uint32_t place, nanoseconds busy, nanoseconds cpu, nanoseconds queued = 0s) {
  return {.worker = place, .begun = 10ms, .ended = 10ms + busy, .busy = busy, .cpu = cpu, .queued = queued, .ran = 10};
}

VerdictInput run(std::vector<WorkerLife> lives, std::vector<nanoseconds> groups, std::size_t processors = 4) {
  nanoseconds wall{};
  for (const WorkerLife& life : lives) wall = std::max(wall, life.ended);
  VerdictInput input;
  input.times = account_of(lives, lives.size(), wall);
  input.bound = wall_bound(groups, lives.size());
  input.items = 10 * lives.size();
  input.processors = processors;
  return input;
}

}  // namespace

TEST_SUITE("pfcore/metrics") {
  TEST_CASE("a run in which nothing ran says so") {
    CHECK(assess({}).verdict == RunVerdict::nothing_ran);
    VerdictInput idle;
    idle.times = account_of({}, 2, 3s);
    CHECK(assess(idle).verdict == RunVerdict::nothing_ran);
    CHECK(assess(idle).feeding_share == 1);
  }

  TEST_CASE("workers that compute to the end are balanced") {
    const Assessment found = assess(run({worker(0, 5s, 5s), worker(1, 4900ms, 4900ms)}, {5s, 4900ms}));
    CHECK(found.verdict == RunVerdict::balanced);
    CHECK(found.tail == 100ms);
    CHECK(found.waiting == 0s);
  }

  TEST_CASE("one group that outlasts the others is a long tail, though it sleeps") {
    const Assessment found = assess(run({worker(0, 5s, 10ms), worker(1, 1s, 10ms)}, {5s, 1s}));
    CHECK(found.verdict == RunVerdict::long_tail);
    CHECK(found.tail == 4s);
    CHECK(found.tail_share == doctest::Approx(0.4).epsilon(0.01));
  }

  TEST_CASE("tests that sleep wait, though the last round is uneven") {
    const Assessment found = assess(run({worker(0, 2s, 1ms), worker(1, 1s, 1ms), worker(2, 1s, 1ms), worker(3, 1s, 1ms)},
                                        {1s, 1s, 1s, 1s, 1s}));
    CHECK(found.verdict == RunVerdict::waiting);
    CHECK(found.waiting == 5s - 4ms);
    CHECK(found.tail_share > 0.3);
  }

  TEST_CASE("a fixture that each worker pays makes the run set-up bound") {
    VerdictInput input = run({worker(0, 1500ms, 700ms), worker(1, 1500ms, 700ms)}, {1500ms, 1500ms});
    input.setup = 2s;
    CHECK(assess(input).verdict == RunVerdict::setup_bound);
    CHECK(assess(input).setup_share == doctest::Approx(2.0 / 3));
    input.setup = 99s;
    CHECK(assess(input).setup == 3s);
  }

  TEST_CASE("a set-up that sleeps is set-up, not waiting") {
    VerdictInput input = run({worker(0, 1500ms, 1ms), worker(1, 1500ms, 1ms)}, {1500ms, 1500ms});
    input.setup = 2s;
    CHECK(assess(input).verdict == RunVerdict::setup_bound);
    input.setup = 1s;
    CHECK(assess(input).verdict == RunVerdict::waiting);
  }

  TEST_CASE("a run with fewer items than workers, or shorter than its start, has too few tests") {
    VerdictInput few = run({worker(0, 5s, 5s), worker(1, 0s, 0s)}, {5s});
    few.items = 1;
    CHECK(assess(few).verdict == RunVerdict::too_few_tests);
    CHECK(assess(run({worker(0, 5ms, 5ms), worker(1, 5ms, 5ms)}, {5ms, 5ms})).verdict == RunVerdict::too_few_tests);
  }

  TEST_CASE("more workers than processors that wait for one are oversubscribed") {
    const Assessment measured = assess(run({worker(0, 4s, 2s, 2s), worker(1, 4s, 2s, 2s)}, {4s, 4s}, 1));
    CHECK(measured.verdict == RunVerdict::oversubscribed);
    CHECK(measured.queued_share == doctest::Approx(0.5));
    CHECK(measured.waiting == 0s);
    const Assessment unknown = assess(run({worker(0, 4s, 2s), worker(1, 4s, 2s)}, {4s, 4s}, 1));
    CHECK(unknown.verdict == RunVerdict::oversubscribed);
    CHECK(unknown.queued == 4s);
  }

  TEST_CASE("as many workers as processors are never oversubscribed: others have the processors") {
    const Assessment found = assess(run({worker(0, 4s, 2s, 2s), worker(1, 4s, 2s, 2s)}, {4s, 4s}, 2));
    CHECK(found.verdict == RunVerdict::balanced);
    CHECK(found.queued_share == doctest::Approx(0.5));
  }

  TEST_CASE("a tail that nobody notices is none") {
    CHECK(assess(run({worker(0, 100ms, 100ms), worker(1, 40ms, 40ms)}, {100ms, 40ms})).verdict == RunVerdict::balanced);
  }

  TEST_CASE("verdicts have the words of the report") {
    CHECK(to_string(RunVerdict::nothing_ran) == "nothing ran");
    CHECK(to_string(RunVerdict::balanced) == "balanced");
    CHECK(to_string(RunVerdict::too_few_tests) == "too few tests");
    CHECK(to_string(RunVerdict::long_tail) == "long tail");
    CHECK(to_string(RunVerdict::setup_bound) == "set-up bound");
    CHECK(to_string(RunVerdict::waiting) == "waiting on input/output");
    CHECK(to_string(RunVerdict::oversubscribed) == "oversubscribed");
  }

  TEST_CASE("shares are between zero and one for any records") {
    std::mt19937 random(1);
    for (int round = 0; round < 2000; ++round) {
      const auto some = [&] { return nanoseconds{random() % 4'000'000'000} - 100ms; };
      std::vector<WorkerLife> lives(random() % 6);
      for (WorkerLife& life : lives) {
        life = {.worker = static_cast<std::uint32_t>(random() % 6), .begun = some(), .ended = some(), .busy = some(),
                .cpu = some(), .queued = some(), .ran = 1};
      }
      VerdictInput input;
      input.times = account_of(lives, random() % 6, some());
      input.setup = some();
      input.items = random() % 9;
      input.processors = random() % 5;
      const Assessment found = assess(input);
      for (const double share :
           {found.feeding_share, found.tail_share, found.setup_share, found.queued_share, found.waiting_share}) {
        CHECK(share >= 0);
        CHECK(share <= 1);
      }
      CHECK(found.feeding_share + found.tail_share <= 1.000001);
      CHECK((found.verdict == RunVerdict::nothing_ran) == (input.times.sum.busy == 0s));
    }
  }
}
