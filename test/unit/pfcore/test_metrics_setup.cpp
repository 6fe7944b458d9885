#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <random>
#include <vector>

#include <pfcore/metrics_setup.hpp>

using namespace pf::core;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

FixtureSetup setup(std::string_view fixture, std::uint32_t worker, std::uint32_t group, nanoseconds took) {
  FixtureSetup one;
  one.fixture = fixture;
  one.origin = "conftest.py";
  one.scope = "module";
  one.worker = worker;
  one.group = group;
  one.took = took;
  return one;
}

}  // namespace

TEST_SUITE("pfcore/metrics") {
  TEST_CASE("a fixture that is paid k times has a cluster with its cost and what one set-up would save") {
    const std::vector<FixtureSetup> setups{setup("db", 0, 0, 1s), setup("db", 1, 1, 2s), setup("db", 0, 2, 1s), setup("tmp", 0, 0, 9s)};
    const std::vector<SetupCluster> clusters = setup_clusters(setups);
    REQUIRE(clusters.size() == 1);
    CHECK(clusters[0].fixture == "db");
    CHECK(clusters[0].times == 3);
    CHECK(clusters[0].workers == 2);
    CHECK(clusters[0].groups == 3);
    CHECK(clusters[0].cost == 4s);
    CHECK(clusters[0].longest == 2s);
    CHECK(clusters[0].saving == 2s);
    CHECK(clusters[0].remedy == SetupRemedy::widen_scope);
  }

  TEST_CASE("a group that was spread over workers is to be kept together") {
    const auto clusters = setup_clusters(std::vector{setup("db", 0, 5, 1s), setup("db", 1, 5, 1s)});
    REQUIRE(clusters.size() == 1);
    CHECK(clusters[0].remedy == SetupRemedy::keep_together);
  }

  TEST_CASE("what each worker pays once can only be paid before the workers") {
    const auto clusters = setup_clusters(std::vector{setup("db", 0, 5, 1s), setup("db", 1, 6, 1s)});
    REQUIRE(clusters.size() == 1);
    CHECK(clusters[0].remedy == SetupRemedy::before_the_workers);
    std::vector<FixtureSetup> of_session{setup("db", 0, 5, 1s), setup("db", 1, 5, 1s)};
    for (FixtureSetup& one : of_session) one.scope = "session";
    CHECK(setup_clusters(of_session)[0].remedy == SetupRemedy::before_the_workers);
  }

  TEST_CASE("fixtures of one name but another origin, scope or parameter are not shared") {
    std::vector<FixtureSetup> setups(4, setup("db", 0, 0, 1s));
    setups[1].origin = "other/conftest.py";
    setups[2].scope = "class";
    setups[3].param = "sqlite";
    CHECK(setup_clusters(setups).empty());
  }

  TEST_CASE("what saves too little is left out") {
    CHECK(setup_clusters({}).empty());
    CHECK(setup_clusters(std::vector{setup("db", 0, 0, 9s)}).empty());
    CHECK(setup_clusters(std::vector{setup("db", 0, 0, 9s), setup("db", 1, 1, 499ms)}).empty());
    CHECK(setup_clusters(std::vector{setup("db", 0, 0, 0s), setup("db", 1, 1, 0s)}, 0s).size() == 1);
  }

  TEST_CASE("remedies have names") {
    CHECK(to_string(SetupRemedy::widen_scope) == "widen-scope");
    CHECK(to_string(SetupRemedy::keep_together) == "keep-together");
    CHECK(to_string(SetupRemedy::before_the_workers) == "before-the-workers");
  }

  TEST_CASE("clusters take no set-up twice, save less than they cost, and fall in what they save") {
    constexpr std::array<std::string_view, 4> names{"a", "b", "c", "d"};
    std::mt19937 random(1);
    for (int round = 0; round < 300; ++round) {
      std::vector<FixtureSetup> setups(random() % 40);
      nanoseconds all{};
      for (FixtureSetup& one : setups) {
        one = setup(names[random() % 4], static_cast<std::uint32_t>(random() % 3), static_cast<std::uint32_t>(random() % 5),
                    nanoseconds{random() % 2'000'000'000});
        if (random() % 2 == 0) one.param = names[random() % 4];
        all += one.took;
      }
      nanoseconds cost{};
      nanoseconds last = nanoseconds::max();
      for (const SetupCluster& cluster : setup_clusters(setups, 0s)) {
        CHECK(cluster.times >= 2);
        CHECK(cluster.workers >= 1);
        CHECK(cluster.workers <= cluster.times);
        CHECK(cluster.groups <= cluster.times);
        CHECK(cluster.saving + cluster.longest == cluster.cost);
        CHECK(cluster.saving <= last);
        last = cluster.saving;
        cost += cluster.cost;
      }
      CHECK(cost <= all);
    }
  }
}
