// Workers that die: at random moments, and after every single instruction.
#include <doctest/doctest.h>

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <random>
#include <vector>

#include <pfcore/run_board.hpp>

#include "board_memory.hpp"

using namespace pf::core;
using pf::test::Board;
using pf::test::plan_of;
using pf::test::SharedMemory;

namespace {

using Counter = std::atomic<std::uint32_t>;

// What the workers did, seen by the parent: per item how often it was begun, and how often its result was sent.
struct Ledger {
  explicit Ledger(std::size_t items)
      : memory(2 * items * sizeof(Counter)), begun(new (memory.bytes().data()) Counter[items]{}), sent(begun + items) {}
  SharedMemory memory;
  Counter* begun;
  Counter* sent;
};

void sleep_ns(long nanoseconds) {
  const timespec time{0, nanoseconds};
  ::nanosleep(&time, nullptr);
}

// As long as a short test.
void spin() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(60);
  while (std::chrono::steady_clock::now() < end) {
  }
}

[[noreturn]] void work(RunBoard& board, std::size_t slot, Ledger& ledger) {
  board.attach(slot, ::getpid());
  while (const auto claim = board.claim(slot, 1)) {
    ledger.begun[claim->item].fetch_add(1);
    spin();
    (void)board.reserve(slot);
    ledger.sent[claim->item].fetch_add(1);
    board.finish_item(slot);
  }
  ::_exit(0);
}

pid_t start(RunBoard& board, std::size_t slot, Ledger& ledger) {
  const pid_t pid = ::fork();
  if (pid == 0) work(board, slot, ledger);
  return pid;
}

// Runs a board with workers that are killed at random and replaced. Returns the number of kills.
int run_with_kills(RunBoard& board, Ledger& ledger, std::mt19937& random, std::vector<int>& blamed) {
  std::vector<pid_t> pids(board.workers());
  for (std::size_t slot = 0; slot < pids.size(); ++slot) pids[slot] = start(board, slot, ledger);
  int kills = 0;
  std::size_t live = pids.size();
  while (live > 0) {
    if (kills < 40) {
      sleep_ns(static_cast<long>(random() % 300'000));
      const pid_t victim = pids[random() % pids.size()];
      if (victim > 0) ::kill(victim, SIGKILL);
    }
    int status = 0;
    const pid_t gone = ::waitpid(-1, &status, kills < 40 ? WNOHANG : 0);
    if (gone <= 0) continue;
    const auto slot = static_cast<std::size_t>(std::find(pids.begin(), pids.end(), gone) - pids.begin());
    if (slot == pids.size()) continue;
    pids[slot] = 0;
    if (WIFSIGNALED(status)) {
      ++kills;
      const SlotView view = board.slot(slot);
      if (view.pid == gone && view.item != k_no_item && ledger.sent[view.item] == 0) ++blamed[view.item];
      if (board.has_work(slot)) {
        pids[slot] = start(board, slot, ledger);
        continue;
      }
    }
    --live;
  }
  return kills;
}

}  // namespace

TEST_SUITE("pfcore/run_board") {
  TEST_CASE("with workers killed at random every item has one result or was running in a killed worker") {
    std::mt19937 random(11);
    int kills = 0;
    // On a busy machine the workers may be done before anybody is killed.
    for (int round = 0; round < 12 || (kills <= 20 && round < 500); ++round) {
      Plan plan = round % 2 == 0 ? plan_of({40, 1, 7, 300, 2, 90, 1, 1, 160}) : plan_of({600});
      for (PlanRange& range : plan.ranges) {
        if (round % 3 == 2 || (round % 3 == 1 && range.begin % 2 == 0)) range.least_steal = k_never_cut;
      }
      Board shared(plan, 3);
      Ledger ledger(plan.order.size());
      std::vector<int> blamed(plan.order.size(), 0);
      kills += run_with_kills(shared.board, ledger, random, blamed);
      std::size_t wrong = 0;
      for (std::size_t item = 0; item < plan.order.size(); ++item) {
        const std::uint32_t sent = ledger.sent[item];
        if (ledger.begun[item] > 1 || sent > 1 || sent + static_cast<std::uint32_t>(blamed[item]) != 1) ++wrong;
      }
      CHECK(wrong == 0);
      for (std::size_t slot = 0; slot < 3; ++slot) CHECK_FALSE(shared.board.has_work(slot));
    }
    MESSAGE("workers killed: ", kills);
    CHECK(kills > 20);
  }

  // The parent steps a worker through its claims and looks at what the memory would be if it died right there: a
  // replacement and a second worker must find every item that was neither begun nor is blamed on the dead one.
  TEST_CASE("a worker may die after any instruction") {
    const Plan plan = plan_of({2, 1, 3, 4});
    const std::size_t items = plan.order.size();
    const std::size_t size = RunBoard::size_bytes(plan, 2);
    Board shared(plan, 2);
    REQUIRE(shared.board.claim(1, 1).has_value());   // something to steal from
    Ledger ledger(items);

    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(9);
      ::raise(SIGSTOP);
      shared.board.attach(0, 4242);
      while (const auto claim = shared.board.claim(0, 1)) {
        ledger.begun[claim->item] = 1;
        (void)shared.board.reserve(0);
        ledger.sent[claim->item] = 1;
        shared.board.finish_item(0);
      }
      ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    if (!WIFSTOPPED(status)) {
      MESSAGE("ptrace is not permitted here");
      return;
    }

    SharedMemory copy(size);
    std::vector<std::byte> last(size);
    std::size_t states = 0;
    std::size_t steps = 0;
    std::size_t wrong = 0;
    while (::ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr) == 0 && ::waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
      ++steps;
      if (std::memcmp(last.data(), shared.memory.bytes().data(), size) == 0) continue;
      std::memcpy(last.data(), shared.memory.bytes().data(), size);
      std::memcpy(copy.bytes().data(), last.data(), size);
      ++states;
      RunBoard board = RunBoard::open(copy.bytes()).value();
      std::vector<int> seen(items, 0);
      for (std::size_t item = 0; item < items; ++item) seen[item] += static_cast<int>(ledger.sent[item].load());
      const SlotView dead = board.slot(0);
      if (dead.item != k_no_item && seen[dead.item] == 0) ++seen[dead.item];   // blamed
      ++seen[board.slot(1).item];
      board.finish_item(1);
      const bool second_first = states % 2 == 0;
      board.attach(0, 4243);
      for (const std::size_t slot : {std::size_t{second_first ? 1u : 0u}, std::size_t{second_first ? 0u : 1u}}) {
        while (const auto claim = board.claim(slot, 1)) {
          ++seen[claim->item];
          board.finish_item(slot);
        }
      }
      wrong += static_cast<std::size_t>(std::count_if(seen.begin(), seen.end(), [](int count) { return count != 1; }));
    }
    CHECK(WIFEXITED(status));
    CHECK(wrong == 0);
    CHECK(states > 50);
    MESSAGE("instructions: ", steps, ", states of the board: ", states);
  }
}
