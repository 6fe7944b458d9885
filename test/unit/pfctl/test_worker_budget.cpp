#include <doctest/doctest.h>

#include <pfctl/worker_budget.hpp>

using pf::ctl::WorkerBudget;

TEST_SUITE("pfctl/worker_budget") {
  TEST_CASE("a run alone has what it asks for") {
    WorkerBudget budget(4);
    CHECK(budget.free_for(1, 4) == 4);
    CHECK(budget.free_for(1, 16) == 16);
    budget.note(1, 16);
    CHECK(budget.free_for(1, 16) == 0);
  }

  TEST_CASE("beside others it has what is left, and at least one") {
    WorkerBudget budget(4);
    budget.note(1, 3);
    CHECK(budget.free_for(2, 4) == 1);
    budget.note(1, 4);
    CHECK(budget.free_for(2, 4) == 1);
    budget.note(2, 1);
    CHECK(budget.free_for(2, 4) == 0);
    CHECK(budget.free_for(3, 2) == 1);
  }

  TEST_CASE("it gets more as the others end") {
    WorkerBudget budget(4);
    budget.note(1, 4);
    budget.note(2, 1);
    budget.note(1, 2);
    CHECK(budget.free_for(2, 4) == 1);
    budget.note(1, 0);
    CHECK(budget.free_for(2, 4) == 3);
    CHECK(budget.free_for(2, 1) == 0);
  }
}
