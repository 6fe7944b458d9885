#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include <pfcore/run_board.hpp>

#include "board_memory.hpp"

using namespace pf::core;
using pf::test::Board;
using pf::test::plan_of;
using pf::test::SharedMemory;

namespace {

using Items = std::vector<std::uint32_t>;

// Claims and finishes everything that the slot can get.
Items drain(RunBoard& board, std::size_t slot) {
  Items items;
  while (const auto claim = board.claim(slot, 1)) {
    items.push_back(claim->item);
    board.finish_item(slot);
  }
  return items;
}

Items sorted(Items items) {
  std::sort(items.begin(), items.end());
  return items;
}

Items first_items(std::uint32_t count) {
  Items items(count);
  std::iota(items.begin(), items.end(), 0u);
  return items;
}

}  // namespace

TEST_SUITE("pfcore/run_board") {
  TEST_CASE("one worker gets the order of the plan, and always knows the next item") {
    Plan plan = plan_of({2, 3});
    plan.order = {4, 3, 2, 1, 0};
    Board shared(plan, 1);
    shared.board.attach(0, 100);
    for (std::uint32_t i = 0; i < 5; ++i) {
      const auto claim = shared.board.claim(0, 7);
      REQUIRE(claim.has_value());
      CHECK(claim->item == 4 - i);
      CHECK(claim->next == (i < 4 ? 3 - i : k_no_item));
      shared.board.finish_item(0);
    }
    CHECK_FALSE(shared.board.claim(0, 7).has_value());
    CHECK(shared.board.slot(0).done == 5);
    CHECK_FALSE(shared.board.has_work(0));
  }

  TEST_CASE("the next item of a range is announced; what comes from elsewhere is expected, and taken when it is asked for") {
    Board shared(plan_of({2, 1, 1, 3}, k_never_cut), 2);
    CHECK(shared.board.claim(0, 1)->next == 1);
    const auto last = shared.board.claim(0, 1);
    CHECK(last->item == 1);
    CHECK(last->next == 3);                              // the plan's next range, which nobody has taken
    const auto other = shared.board.claim(1, 1);
    CHECK(other->item == 2);
    CHECK(other->next == 3);
    CHECK(shared.board.reserve(1) == 3);                 // the first one to be through gets it
    CHECK(shared.board.reserve(1) == 3);
    CHECK(shared.board.reserve(0) == 4);
    CHECK(shared.board.claim(0, 1)->item == 4);
    CHECK(shared.board.claim(1, 1)->item == 3);
    CHECK(shared.board.claim(1, 1) == std::nullopt);
    CHECK(shared.board.reserve(1) == std::nullopt);
  }

  TEST_CASE("an item from another slot's tail is expected where it would be stolen, and stays there until then") {
    Board shared(plan_of({1, 5}), 2);
    shared.board.attach(1, 11);
    CHECK(shared.board.claim(1, 1)->next == 2);          // 3, 4, 5 are left
    CHECK(shared.board.claim(0, 1)->next == 4);
    CHECK(shared.board.claim(1, 1)->item == 2);
    CHECK(shared.board.claim(1, 1)->item == 3);          // 4 is announced, 5 is left
    CHECK(shared.board.reserve(0) == 5);
    CHECK(shared.board.claim(1, 1)->item == 4);
    CHECK(shared.board.reserve(1) == std::nullopt);
  }

  TEST_CASE("the first ranges are dealt to the slots, so that an early worker leaves the late ones their work") {
    Board shared(plan_of({1, 1, 1}), 3);
    const auto early = shared.board.claim(0, 1);
    REQUIRE(early.has_value());
    CHECK(shared.board.claim(2, 1)->item == 2);
    CHECK(shared.board.claim(1, 1)->item == 1);
  }

  TEST_CASE("an idle worker steals the tail of the longest range") {
    Board shared(plan_of({2, 9, 3}), 2);
    REQUIRE(shared.board.claim(1, 1)->item == 2);        // 2 runs, 3 is next, 4 … 10 are left
    CHECK(sorted(drain(shared.board, 0)) == Items{0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13});
    CHECK(shared.board.slot(1).item == 2);
    shared.board.finish_item(1);
    CHECK(drain(shared.board, 1) == Items{3});            // never stolen: it was announced
  }

  TEST_CASE("work of a worker that never starts is run by another") {
    Board shared(plan_of({1, 1}), 2);
    CHECK(shared.board.claim(0, 1)->next == 1);
    shared.board.finish_item(0);
    CHECK(shared.board.claim(0, 1)->item == 1);
  }

  TEST_CASE("a tail is stolen when its half is long enough for its range") {
    Board shared(plan_of({7, 1}, 3), 2);
    shared.board.attach(0, 10);
    shared.board.attach(1, 11);
    REQUIRE(shared.board.claim(0, 1)->item == 0);        // 2 … 6 are left
    CHECK(drain(shared.board, 1) == Items{7, 4, 5, 6});
    CHECK(sorted(drain(shared.board, 0)) == Items{1, 2, 3});
  }

  TEST_CASE("ranges of a plan that cannot be split stay whole") {
    Board shared(plan_of({4, 3, 2}, k_never_cut), 2);
    shared.board.attach(0, 10);
    shared.board.attach(1, 11);
    REQUIRE(shared.board.claim(0, 1)->item == 0);
    REQUIRE(shared.board.claim(1, 1)->item == 4);
    shared.board.finish_item(1);
    CHECK(drain(shared.board, 1) == Items{5, 6, 7, 8});
    CHECK(shared.board.has_work(0));
    shared.board.finish_item(0);
    CHECK(drain(shared.board, 0) == Items{1, 2, 3});
  }

  TEST_CASE("a range that cannot be split goes as a whole to another worker when its own never starts or is gone") {
    Board shared(plan_of({2, 3}, k_never_cut), 2);
    shared.board.attach(0, 10);
    SUBCASE("never started") { CHECK(drain(shared.board, 0) == first_items(5)); }
    SUBCASE("gone") {
      shared.board.attach(1, 11);
      REQUIRE(shared.board.claim(1, 1)->item == 2);   // 3 is announced, 4 is left
      shared.board.set_state(1, WorkerState::gone);
      CHECK(drain(shared.board, 0) == Items{0, 1, 4});
    }
  }

  TEST_CASE("a replacement goes on with the announced item and never runs the lost one again") {
    Board shared(plan_of({5}), 1);
    shared.board.attach(0, 10);
    REQUIRE(shared.board.claim(0, 1)->item == 0);
    CHECK(shared.board.has_work(0));
    CHECK(shared.board.slot(0).item == 0);   // what the daemon blames
    shared.board.attach(0, 11);
    CHECK(shared.board.slot(0).item == k_no_item);
    CHECK(shared.board.slot(0).pid == 11);
    CHECK(drain(shared.board, 0) == Items{1, 2, 3, 4});
  }

  TEST_CASE("a worker lost on the last item leaves no work") {
    Board shared(plan_of({1}), 1);
    shared.board.attach(0, 10);
    REQUIRE(shared.board.claim(0, 1).has_value());
    CHECK_FALSE(shared.board.has_work(0));
    shared.board.attach(0, 11);
    CHECK_FALSE(shared.board.claim(0, 1).has_value());
  }

  TEST_CASE("an item that is put back is run once more by whoever has nothing else to do") {
    Board shared(plan_of({2, 2}), 2);
    shared.board.attach(0, 10);
    shared.board.attach(1, 11);
    REQUIRE(shared.board.claim(0, 1)->item == 0);
    shared.board.set_state(0, WorkerState::gone);
    shared.board.put_back(0);
    shared.board.put_back(77);
    CHECK(drain(shared.board, 1) == Items{2, 3, 0});     // 1 is the dead worker's: announced
    shared.board.attach(0, 12);
    CHECK(drain(shared.board, 0) == Items{1});
  }

  TEST_CASE("items that run alone are nobody's until the daemon says so") {
    Plan plan = plan_of({1, 2, 2});
    plan.serial = 2;
    Board shared(plan, 2);
    CHECK(shared.board.has_serial_work());
    CHECK(sorted(drain(shared.board, 0)) == Items{0, 1, 2});
    CHECK(drain(shared.board, 1).empty());
    CHECK_FALSE(shared.board.has_work(0));
    shared.board.open_serial();
    CHECK_FALSE(shared.board.has_serial_work());
    CHECK(shared.board.has_work(0));
    shared.board.attach(0, 12);
    CHECK(drain(shared.board, 0) == Items{3, 4});
    plan.ranges = {{0, 1}, {1, 5}};
    SharedMemory memory(RunBoard::size_bytes(plan, 2));
    CHECK_FALSE(RunBoard::create(memory.bytes(), plan, 2).ok());   // no range begins where they begin
  }

  TEST_CASE("a resource is had by as many at a time as it has seats, and those of a dead worker are free again") {
    Plan plan = plan_of({1, 1, 1, 1}, k_never_cut);
    plan.seats = {2, 1, 9};
    plan.needs = {1, 3, 1, 6};
    Board shared(plan, 4);
    for (std::size_t slot = 0; slot < 4; ++slot) {
      shared.board.attach(slot, static_cast<std::int32_t>(10 + slot));
      REQUIRE(shared.board.reserve(slot) == slot);
    }
    CHECK(shared.board.acquire(0));
    CHECK(shared.board.acquire(3));
    CHECK_FALSE(shared.board.acquire(1));                // has a seat of the first one, none of the second one
    CHECK(shared.board.acquire(2));                      // and keeps none
    const std::uint32_t releases = shared.board.releases();
    REQUIRE(shared.board.claim(0, 1)->item == 0);
    shared.board.finish_item(0);
    CHECK(shared.board.releases() != releases);
    shared.board.wait_for_seat(releases);                // returns at once
    CHECK_FALSE(shared.board.acquire(1));
    shared.board.release(3);                             // its worker died
    CHECK(shared.board.acquire(1));
    shared.board.attach(1, 21);                          // another one in its place
    CHECK(shared.board.acquire(3));
  }

  TEST_CASE("no claim succeeds once the run is stopped") {
    Board shared(plan_of({5}), 1);
    REQUIRE(shared.board.claim(0, 1).has_value());
    CHECK_FALSE(shared.board.stopped());
    shared.board.stop();
    CHECK(shared.board.stopped());
    CHECK_FALSE(shared.board.claim(0, 1).has_value());
  }

  TEST_CASE("a slot shows what its worker does") {
    Board shared(plan_of({2}), 1);
    CHECK(shared.board.slot(0).state == WorkerState::empty);
    shared.board.attach(0, 42);
    CHECK(shared.board.slot(0).state == WorkerState::starting);
    CHECK(shared.board.slot(0).item == k_no_item);
    REQUIRE(shared.board.claim(0, 1234).has_value());
    shared.board.set_phase(0, ItemPhase::teardown);
    const SlotView running = shared.board.slot(0);
    CHECK(running.pid == 42);
    CHECK(running.state == WorkerState::running);
    CHECK(running.item == 0);
    CHECK(running.phase == ItemPhase::teardown);
    CHECK(running.since_ns == 1234);
    shared.board.finish_item(0);
    CHECK(shared.board.slot(0).state == WorkerState::idle);
    CHECK(shared.board.slot(0).phase == ItemPhase::none);
    CHECK(shared.board.slot(0).done == 1);
    shared.board.set_state(0, WorkerState::finishing);
    CHECK(shared.board.slot(0).state == WorkerState::finishing);
  }

  TEST_CASE("indices out of bounds do nothing") {
    Board shared(plan_of({2}), 1);
    shared.board.attach(1, 5);
    shared.board.set_phase(9, ItemPhase::call);
    shared.board.set_state(9, WorkerState::idle);
    shared.board.finish_item(1);
    CHECK_FALSE(shared.board.claim(1, 1).has_value());
    CHECK_FALSE(shared.board.has_work(1));
    CHECK(shared.board.slot(1).state == WorkerState::empty);
  }

  TEST_CASE("a board without items is a board") {
    Board shared(Plan{}, 1);
    CHECK(shared.board.items() == 0);
    CHECK_FALSE(shared.board.claim(0, 1).has_value());
    CHECK_FALSE(shared.board.has_work(0));
  }

  TEST_CASE("what another process opens is the same board") {
    Board shared(plan_of({3, 2}), 2);
    auto other = RunBoard::open(shared.memory.bytes());
    REQUIRE(other.ok());
    CHECK(other->items() == 5);
    CHECK(other->workers() == 2);
    REQUIRE(other->claim(1, 1)->item == 3);
    CHECK(shared.board.slot(1).item == 3);
  }

  TEST_CASE("a board that is not sound is not opened") {
    const Plan plan = plan_of({3, 2});
    const auto open_code = [](std::span<std::byte> bytes) {
      auto board = RunBoard::open(bytes);
      return board ? std::string("opened") : std::string(to_string(board.error().code));
    };
    Board shared(plan, 2);
    const std::span<std::byte> bytes = shared.memory.bytes();
    REQUIRE(open_code(bytes) == "opened");
    CHECK(open_code(bytes.subspan(64)) != "opened");
    CHECK(open_code(bytes.subspan(8)) == to_string(ErrorCode::invalid_argument));
    CHECK(open_code(bytes.first(bytes.size() - 1)) == to_string(ErrorCode::truncated));
    CHECK(open_code(bytes.first(10)) == to_string(ErrorCode::truncated));
    SUBCASE("magic") { bytes[0] ^= std::byte{1}; }
    SUBCASE("version") { bytes[8] ^= std::byte{1}; }
    SUBCASE("items") { bytes[12] ^= std::byte{1}; }
    SUBCASE("ranges") { bytes[16] ^= std::byte{1}; }
    SUBCASE("workers") { bytes[20] ^= std::byte{1}; }
    SUBCASE("size") { bytes[24] ^= std::byte{1}; }
    SUBCASE("serial") { bytes[32] ^= std::byte{1}; }
    SUBCASE("resources") { bytes[36] ^= std::byte{1}; }
    SUBCASE("seats") { bytes[40] ^= std::byte{1}; }
    CHECK(open_code(bytes) != "opened");
  }

  TEST_CASE("a plan that does not name every item once is refused") {
    const auto refused = [](const Plan& plan, std::size_t workers) {
      SharedMemory memory(RunBoard::size_bytes(plan, std::max<std::size_t>(workers, 1)));
      return !RunBoard::create(memory.bytes(), plan, workers).ok();
    };
    Plan plan = plan_of({3, 2});
    CHECK_FALSE(refused(plan, 2));
    CHECK(refused(plan, 0));
    SUBCASE("out of bounds") { plan.order[1] = 5; }
    SUBCASE("twice") { plan.order[1] = 0; }
    SUBCASE("overlapping ranges") { plan.ranges = {{0, 3}, {1, 3}}; }
    SUBCASE("missing positions") { plan.ranges = {{0, 3}}; }
    SUBCASE("empty range") { plan.ranges = {{0, 3}, {3, 3}, {3, 5}}; }
    SUBCASE("beyond the end") { plan.ranges = {{0, 3}, {3, 6}}; }
    CHECK(refused(plan, 2));
  }

  TEST_CASE("whatever is written into the board, the views stay within bounds") {
    Board shared(plan_of({3, 4, 2}), 3);
    const std::span<std::byte> bytes = shared.memory.bytes();
    std::mt19937 random(7);
    for (int round = 0; round < 2000; ++round) {
      for (int i = 0; i < 8; ++i) bytes[random() % bytes.size()] = static_cast<std::byte>(random());
      for (std::size_t slot = 0; slot < 3; ++slot) {
        const SlotView view = shared.board.slot(slot);
        CHECK((view.item == k_no_item || view.item < 9));
        CHECK(view.state <= WorkerState::gone);
        CHECK(view.phase <= ItemPhase::teardown);
        (void)shared.board.has_work(slot);
        if (const auto claim = shared.board.claim(slot, 1)) {
          CHECK((claim->item == k_no_item || claim->item < 9));
          CHECK((claim->next == k_no_item || claim->next < 9));
        }
      }
    }
  }

  TEST_CASE("a range behind the last position is none, and its worker still finds what is left") {
    for (const std::uint64_t word : {std::uint64_t{1000} << 32 | 1001, std::uint64_t{2} << 32 | 0x7fffffff,
                                     std::uint64_t{1000} << 32 | 0x80000000u | 1001}) {
      CAPTURE(word);
      Board shared(plan_of({2, 2}), 2);
      // The ranges of both slots: behind the header, a line each.
      for (const std::size_t at : {192u, 256u}) std::memcpy(shared.memory.bytes().data() + at, &word, sizeof word);
      std::set<std::uint32_t> items;
      while (const std::optional<Claim> claim = shared.board.claim(0, 1)) items.insert(claim->item);
      CHECK(items == std::set<std::uint32_t>{0, 1, 2, 3});
    }
  }

  TEST_CASE("threads that claim at the same time get every item exactly once") {
    constexpr std::uint32_t k_workers = 4;
    std::mt19937 random(3);
    for (int round = 0; round < 60; ++round) {
      Plan plan;
      std::uint32_t begin = 0;
      while (begin < 400) {
        const auto size = 1 + static_cast<std::uint32_t>(random()) % (round % 2 == 0 ? 3 : 60);
        plan.ranges.push_back({begin, begin + size, round % 3 == 0 || (round % 3 == 1 && begin % 2 == 0) ? k_never_cut : 1u + begin % 4});
        begin += size;
      }
      plan.order.resize(begin);
      std::iota(plan.order.begin(), plan.order.end(), 0u);
      std::shuffle(plan.order.begin(), plan.order.end(), random);
      Board shared(plan, k_workers);
      std::vector<Items> got(k_workers);
      std::atomic<bool> broken{false};
      std::atomic<bool> over{false};
      std::thread daemon([&] {
        while (!over) {
          for (std::size_t slot = 0; slot < k_workers; ++slot) {
            const SlotView view = shared.board.slot(slot);
            // An item is shown with its own start: workers stamp it with the item's number.
            if (view.item != k_no_item && view.since_ns < view.item) broken = true;
          }
        }
      });
      std::vector<std::thread> threads;
      for (std::uint32_t slot = 0; slot < k_workers; ++slot) {
        threads.emplace_back([&, slot] {
          shared.board.attach(slot, static_cast<std::int32_t>(1000 + slot));
          std::uint64_t clock = begin;
          std::optional<std::uint32_t> reserved;
          while (const auto claim = shared.board.claim(slot, ++clock)) {
            if (reserved && *reserved != claim->item) broken = true;
            got[slot].push_back(claim->item);
            reserved = shared.board.reserve(slot);
            shared.board.finish_item(slot);
          }
          shared.board.set_state(slot, WorkerState::finishing);
        });
      }
      for (std::thread& thread : threads) thread.join();
      over = true;
      daemon.join();
      CHECK_FALSE(broken);
      Items all;
      for (const Items& items : got) all.insert(all.end(), items.begin(), items.end());
      CHECK(sorted(all) == first_items(begin));
      for (std::size_t slot = 0; slot < k_workers; ++slot) CHECK_FALSE(shared.board.has_work(slot));
    }
  }
}
