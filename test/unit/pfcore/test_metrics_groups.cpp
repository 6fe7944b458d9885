#include <doctest/doctest.h>

#include <vector>

#include <pfcore/metrics_groups.hpp>
#include <pfcore/plan.hpp>

using namespace pf::core;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

constexpr std::uint32_t k_shares = k_cut_shares_setup;

RunItem ran(std::uint32_t item, std::uint32_t worker, nanoseconds busy, nanoseconds setup, std::uint32_t life = 0) {
  RunItem out;
  out.item = item;
  out.worker = worker;
  out.life = life;
  out.busy = busy;
  out.cpu = busy / 2;
  out.queued = busy / 10;
  out.setup = setup;
  out.setup_cpu = setup / 2;
  out.setup_queued = setup / 10;
  return out;
}

std::vector<nanoseconds> walls(const std::vector<GroupTimes>& groups) {
  std::vector<nanoseconds> out;
  for (const GroupTimes& group : groups) out.push_back(group.wall);
  return out;
}

}  // namespace

TEST_SUITE("pfcore/metrics_groups") {
  TEST_CASE("items that nothing holds together are groups of their own") {
    const std::vector<std::uint32_t> words{0, 0, 1};
    const std::vector<RunItem> items{ran(0, 0, 10ms, 1ms), ran(1, 0, 20ms, 1ms), ran(2, 1, 30ms, 1ms)};
    const RunGroups found = run_groups(items, words);
    CHECK(found.as_run == std::vector<nanoseconds>{10ms, 20ms, 30ms});
    CHECK(found.groups[1].first_item == 1);
    CHECK(found.groups[1].items == 1);
    CHECK(found.groups[1].times.cpu == 10ms);
    CHECK(found.groups[1].times.queued == 2ms);
    CHECK(found.start.wall == 0ms);
    CHECK(walls(found.without_start) == found.as_run);
  }

  TEST_CASE("items that share set-up or may not be cut are one group, a part of it for each worker that had one") {
    const std::vector<std::uint32_t> words{0, k_shares, k_shares, 1, 1 | k_cut_never};
    const std::vector<RunItem> items{ran(0, 0, 10ms, 1ms), ran(2, 1, 5ms, 1ms), ran(1, 0, 10ms, 1ms), ran(3, 1, 7ms, 1ms), ran(4, 1, 7ms, 1ms)};
    const RunGroups found = run_groups(items, words);
    CHECK(found.as_run == std::vector<nanoseconds>{20ms, 5ms, 14ms});
    CHECK(found.groups[0].items == 2);
    CHECK(found.groups[2].first_item == 3);
  }

  TEST_CASE("groups go on past items of others in between") {
    const std::vector<std::uint32_t> words{0, 1, k_shares, 1 | k_shares};
    const std::vector<RunItem> items{ran(0, 0, 1ms, 0ms), ran(1, 0, 2ms, 0ms), ran(2, 0, 4ms, 0ms), ran(3, 0, 8ms, 0ms)};
    CHECK(run_groups(items, words).as_run == std::vector<nanoseconds>{5ms, 10ms});
  }

  TEST_CASE("what each worker sets up for itself is its start, once") {
    // One module, its fixture of a second set up by both workers.
    const std::vector<std::uint32_t> words{0, k_shares, k_shares, k_shares};
    const std::vector<RunItem> items{ran(0, 0, 1100ms, 1001ms), ran(1, 0, 100ms, 1ms), ran(2, 1, 1101ms, 1002ms), ran(3, 1, 100ms, 1ms)};
    const RunGroups found = run_groups(items, words);
    CHECK(found.start.wall == 1000ms);
    CHECK(found.start.cpu >= 499ms);
    CHECK(found.start.cpu <= 501ms);
    CHECK(found.start.queued >= 99ms);
    CHECK(found.as_run == std::vector<nanoseconds>{1200ms, 1201ms});
    CHECK(walls(found.without_start) == std::vector<nanoseconds>{200ms, 201ms});
  }

  TEST_CASE("a session's fixture is every worker's start, whatever its first item is") {
    const std::vector<std::uint32_t> words{0, 0, 1, 1};
    const std::vector<RunItem> items{ran(0, 0, 510ms, 502ms), ran(1, 0, 10ms, 2ms), ran(2, 1, 610ms, 602ms), ran(3, 1, 10ms, 2ms)};
    CHECK(run_groups(items, words).start.wall == 500ms);
  }

  TEST_CASE("a fixture that each group has for itself is nobody's start") {
    const std::vector<std::uint32_t> words{0, k_shares, 1, 1 | k_shares, 2, 2 | k_shares, 3, 3 | k_shares};
    std::vector<RunItem> items;
    for (std::uint32_t item = 0; item < 8; ++item) items.push_back(ran(item, item / 4, item % 2 == 0 ? 1010ms : 10ms, item % 2 == 0 ? 1001ms : 1ms));
    const RunGroups found = run_groups(items, words);
    CHECK(found.start.wall == 0ms);
    CHECK(walls(found.without_start) == std::vector<nanoseconds>{1020ms, 1020ms, 1020ms, 1020ms});
  }

  TEST_CASE("a set-up that every item has is nobody's start") {
    const std::vector<std::uint32_t> words{0, 0, 0, 0};
    const std::vector<RunItem> items{ran(0, 0, 200ms, 150ms), ran(1, 0, 200ms, 150ms), ran(2, 1, 200ms, 150ms), ran(3, 1, 200ms, 150ms)};
    CHECK(run_groups(items, words).start.wall == 0ms);
  }

  TEST_CASE("a worker that took the place of a lost one has a start of its own") {
    const std::vector<std::uint32_t> words{0, 0, 0};
    const std::vector<RunItem> items{ran(0, 0, 500ms, 400ms), ran(1, 0, 110ms, 1ms), ran(2, 0, 410ms, 301ms, 1)};
    CHECK(run_groups(items, words).start.wall == 300ms);
  }

  TEST_CASE("items beyond the words are groups of their own, and nothing is nothing") {
    CHECK(run_groups({}, {}).as_run.empty());
    const std::vector<RunItem> items{ran(7, 3, 5ms, 1ms), ran(4'000'000'000u, 0, 6ms, 1ms)};
    CHECK(run_groups(items, {}).as_run == std::vector<nanoseconds>{5ms, 6ms});
  }

  TEST_CASE("durations that cannot be are made to fit") {
    const std::vector<RunItem> items{ran(0, 0, -5ms, -1ms), ran(1, 0, nanoseconds::max(), nanoseconds::max())};
    const RunGroups found = run_groups(items, std::vector<std::uint32_t>{0, k_shares});
    CHECK(found.as_run == std::vector<nanoseconds>{k_longest_duration});
  }
}
