// What a run tells its controller of the results.
#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "run_scene.hpp"

using namespace pf;
using namespace pf::ctl;
using namespace pf::test;

TEST_SUITE("pfctl/run_state") {
  TEST_CASE("reports go to the controller only where its hooks want them, and to the client without their bytes") {
    for (const bool wanted : {false, true}) {
      RunSetup setup = Scene::setup(2);
      setup.options.reporter = wanted ? "pytest" : "native";
      Scene scene(std::move(setup));
      scene.select(2);
      scene.start_worker(0, 200);
      core::ItemResult result = result_of(scene.claim(0));
      result.opaque = {"blob"};
      scene.state.on_result(0, result, scene.world.now);
      const auto forwarded = all_of<core::ReportForward>(scene.world.controller);
      CHECK(forwarded.size() == (wanted ? 1u : 0u));
      if (wanted) CHECK(forwarded[0].opaque == core::OsStrings{"blob"});
      CHECK(scene.world.told<core::ItemResult>()[0].opaque.empty());
    }
  }

  TEST_CASE("a result with a testcase goes to the controller as that, together with others and ahead of the end") {
    for (const bool full_report : {false, true}) {
      RunSetup setup = Scene::setup(1);
      setup.options.reporter = "pytest";
      setup.options.full_report = full_report;
      Scene scene(std::move(setup));
      scene.select(3);
      scene.start_worker(0, 200);
      for (std::uint32_t number = 0; number < 3; ++number) {
        core::ItemResult result = result_of(scene.claim(0));
        if (number != 1) result.testcase = "<testcase name=\"" + std::to_string(number) + "\" />";
        if (number == 1 || full_report) result.opaque = {"blob"};
        scene.state.on_result(0, result, scene.world.now);
        if (number < 2) CHECK(all_of<core::Testcases>(scene.world.controller).empty());
        scene.world.board->finish_item(0);
      }
      scene.run_to_end(0, 200);
      const auto forwarded = all_of<core::ReportForward>(scene.world.controller);
      REQUIRE(forwarded.size() == 1);
      CHECK(forwarded[0].item == 1);
      const auto testcases = all_of<core::Testcases>(scene.world.controller);
      REQUIRE(testcases.size() == 1);
      CHECK(testcases[0].items == core::U32List{0, 2});
      CHECK(testcases[0].texts == std::vector<std::string>{"<testcase name=\"0\" />", "<testcase name=\"2\" />"});
      for (const core::ItemResult& told : scene.world.told<core::ItemResult>()) {
        CHECK(told.testcase.empty());
        CHECK(told.opaque.size() == (full_report ? 1u : 0u));
      }
    }
  }

  TEST_CASE("testcases do not wait for the end when there are many") {
    RunSetup setup = Scene::setup(1);
    setup.options.reporter = "pytest";
    Scene scene(std::move(setup));
    scene.select(2);
    scene.start_worker(0, 200);
    core::ItemResult result = result_of(scene.claim(0));
    result.testcase.assign(40'000, 'x');
    scene.state.on_result(0, result, scene.world.now);
    CHECK(all_of<core::Testcases>(scene.world.controller).size() == 1);
  }
}
