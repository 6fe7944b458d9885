// Runs in which anything may happen at any moment: the plan, the board and the run's state machine are the real ones, the
// processes are played. Whatever happens, each item has one final state at most, what is missing is counted, and a run is
// green only when everything ran and passed.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "run_scene.hpp"

using namespace pf;
using namespace pf::ctl;
using namespace pf::test;
using namespace std::chrono_literals;

namespace {

// How likely what is, per step of a process or of time.
struct Weather {
  double death = 0;             // killed from outside, or by its test
  double failure = 0.1;
  double hang = 0;
  double cancel = 0;            // interrupt, kill or a client that leaves, per 100 ms
  double controller_death = 0;  // per 100 ms
  double no_fork = 0;           // a worker that could not be forked
};

enum class Step : std::uint8_t { fresh, between, running, sent, leaving };

// One that was killed has its end told at a later step.
struct Process {
  std::int64_t pid = 0;
  std::size_t slot = 0;
  bool told = false;
  Step step = Step::fresh;
  std::uint32_t item = core::k_no_item;
  bool hangs = false;
  bool obeys = true;            // SIGINT and SIGTERM
  int killed_by = 0;
};

class Chaos {
 public:
  Chaos(std::mt19937& random, Weather weather) : random_(random), weather_(weather), scene_(options()) {
    core::Selected selected;
    selected.way = "adopt";
    const std::size_t items = 1 + pick(50);
    std::uint32_t group = 0;
    for (std::uint32_t i = 0; i < items; ++i) {
      if (pick(4) == 0) ++group;
      selected.nodeids.push_back("t.py::test_" + std::to_string(i));
      selected.groups.push_back(group | (pick(8) == 0 ? core::k_cut_never : 0) | (pick(4) == 0 ? core::k_cut_shares_setup : 0));
      if (serial_ && pick(6) == 0) selected.serial.push_back(i);
    }
    if (maxfail_) selected.maxfail = static_cast<std::int64_t>(1 + pick(3));
    sent_.resize(items);
    begun_.resize(items);
    world().budget = 1 + pick(6);
    scene_.state.on_forked(100, world().now);
    scene_.state.on_selected(std::move(selected), world().now);
    const std::size_t at_once = std::min<std::size_t>(world().board->workers(), world().budget);
    // One item runs in the controller unless the run needs the session to survive it.
    in_controller_ = items == 1 && scene_.state.setup().options.timeout_s <= 0 && scene_.state.setup().options.retries == 0;
    for (std::size_t slot = 0; slot < at_once; ++slot) start(slot);
  }

  // False: it did not end.
  bool run() {
    for (int steps = 0; steps < 100'000 && !scene_.state.done(); ++steps) {
      if (!processes_.empty() && pick(4) != 0) act(pick(processes_.size()));
      else pass_time();
      obey();
    }
    return scene_.state.done();
  }

  void check() {
    const auto finished = world().told<core::FinishedEvent>();
    REQUIRE(finished.size() == 1);
    std::map<std::uint32_t, std::vector<core::ItemResult>> final;
    for (core::ItemResult& result : world().told<core::ItemResult>()) {
      if (result.outcome != "rerun") final[result.item].push_back(std::move(result));
    }
    bool any_failed = false;
    for (const auto& [item, results] : final) {
      REQUIRE(results.size() == 1);
      const core::ItemResult& result = results[0];
      if (result.lost.empty()) {
        REQUIRE(sent_[item] == 1);
      } else {
        REQUIRE(sent_[item] == 0);
        REQUIRE(result.lost.find("'" + result.nodeid + "'") != std::string::npos);
        REQUIRE(result.outcome == "failed");
      }
      any_failed = any_failed || result.outcome == "failed";
    }
    REQUIRE(finished[0].total == static_cast<std::int64_t>(sent_.size()));
    REQUIRE(finished[0].not_run == static_cast<std::int64_t>(sent_.size() - final.size()));
    if (finished[0].exit_code == 0) REQUIRE((finished[0].not_run == 0 && !any_failed));
    if (is_undisturbed()) {
      REQUIRE(finished[0].not_run == 0);
      const bool died_at_end = finished[0].reason.find("crashed after its last test") != std::string::npos;
      REQUIRE(finished[0].exit_code == (any_failed ? 1 : died_at_end ? 3 : 0));
    }
    const auto most = static_cast<std::uint32_t>(scene_.state.setup().options.retries + 1);
    REQUIRE(std::all_of(begun_.begin(), begun_.end(), [&](std::uint32_t begun) { return begun <= most; }));
  }

  [[nodiscard]] std::size_t deaths() const { return deaths_; }
  [[nodiscard]] bool is_complete() const { return world_.told<core::FinishedEvent>()[0].not_run == 0; }

 private:
  World& world() { return scene_.world; }
  core::RunBoard& board() { return *scene_.world.board; }
  std::size_t pick(std::size_t count) { return random_() % count; }
  bool chance(double probability) { return std::uniform_real_distribution<double>(0, 1)(random_) < probability; }

  RunSetup options() {
    RunSetup setup = Scene::setup(1 + pick(5));
    if (weather_.hang > 0) setup.options.timeout_s = 0.5;
    if (pick(3) == 0) setup.options.retries = static_cast<std::uint32_t>(1 + pick(2));
    maxfail_ = pick(5) == 0;
    serial_ = pick(3) == 0;
    return setup;
  }

  // Nothing but failures, time limits and a few deaths: nothing may be left undone.
  [[nodiscard]] bool is_undisturbed() const {
    return !maxfail_ && !cancelled_ && !controller_dead_ && !unforked_ && deaths_ <= 4 && barren_ < 3;
  }

  void start(std::size_t slot) {
    Process process;
    process.pid = in_controller_ ? 100 : ++last_pid_;
    process.slot = slot;
    process.told = in_controller_;
    process.obeys = pick(3) != 0;
    processes_.push_back(process);
  }

  // What the machine asked for since the last step.
  void obey() {
    for (; respawned_ < world().respawned.size(); ++respawned_) start(world().respawned[respawned_]);
    for (; signals_ < world().signals.size(); ++signals_) {
      const Sent sent = world().signals[signals_];
      for (Process& process : processes_) {
        if (process.pid == sent.pid) receive(process, sent.signal_number);
      }
      if (sent.pid == 100 && sent.signal_number == SIGKILL && !controller_dead_) lose_controller();
    }
    const bool asked = !all_of<core::EndRun>(world().controller).empty();
    if (asked && !controller_dead_ && !controller_said_end_) end_session();
  }

  void receive(Process& process, int number) {
    if (number == SIGKILL || (number == SIGTERM && process.obeys)) process.killed_by = number;
    if (number != SIGINT || process.step != Step::running || !process.obeys) return;
    core::WorkerFinished last;
    last.interrupted = "KeyboardInterrupt";
    scene_.state.on_worker_finished(process.slot, last, world().now);
    process.step = Step::leaving;
  }

  void end_session() {
    const core::EndRun end = all_of<core::EndRun>(world().controller)[0];
    core::ControllerFinished finished;
    finished.exit_code = end.interrupted ? 2 : end.failed.empty() ? 0 : 1;
    controller_said_end_ = true;
    scene_.state.on_controller_finished(finished, world().now);
    controller_dead_ = true;
    scene_.state.on_controller_exited(exited(static_cast<int>(finished.exit_code)), world().now);
    controller_dead_ = false;
  }

  void lose_controller() {
    controller_dead_ = true;
    if (!controller_said_end_) scene_.state.on_controller_exited(killed(SIGKILL), world().now);
    if (in_controller_) processes_.clear();
    for (Process& process : processes_) process.killed_by = SIGKILL;   // PDEATHSIG
  }

  void pass_time() {
    world().now += 100ms;
    if (!cancelled_ && chance(weather_.cancel)) {
      cancelled_ = true;
      switch (pick(3)) {
        case 0: scene_.state.on_interrupt(world().now); break;
        case 1: scene_.state.on_kill(world().now); break;
        default: scene_.state.on_client_gone(world().now);
      }
      return;
    }
    if (!controller_dead_ && !controller_said_end_ && chance(weather_.controller_death)) return lose_controller();
    scene_.state.tick(world().now, false);
  }

  // The end of a process: whatever it had sent has been read.
  void reap(std::size_t index, int status) {
    const Process process = processes_[index];
    processes_.erase(processes_.begin() + static_cast<std::ptrdiff_t>(index));
    if (process.step != Step::leaving) {
      ++deaths_;
      if (process.step == Step::fresh || process.step == Step::between) ++barren_;
    }
    if (in_controller_) return lose_controller();
    if (controller_dead_) {
      (void)scene_.state.on_orphan_exited(process.pid, status, world().now);
      return;
    }
    tell(process);
    scene_.state.on_worker_exited(static_cast<std::int64_t>(process.slot), process.pid, status, world().now);
  }

  void tell(const Process& process) {
    if (!process.told) scene_.state.on_worker_started(static_cast<std::int64_t>(process.slot), process.pid, world().now);
  }

  void act(std::size_t index) {
    Process& process = processes_[index];
    if (process.killed_by != 0) return reap(index, killed(process.killed_by));
    if (!process.told && process.step == Step::fresh && chance(weather_.no_fork)) {
      unforked_ = true;
      const auto slot = static_cast<std::int64_t>(process.slot);
      processes_.erase(processes_.begin() + static_cast<std::ptrdiff_t>(index));
      scene_.state.on_worker_started(slot, 0, world().now);
      scene_.state.on_worker_exited(slot, 0, exited(127), world().now);
      return;
    }
    if (chance(weather_.death)) return reap(index, pick(2) == 0 ? killed(SIGSEGV) : exited(static_cast<int>(pick(3))));
    if (!process.told && pick(2) == 0) {
      tell(process);
      process.told = true;
      return;
    }
    go_on(process, index);
  }

  void go_on(Process& process, std::size_t index) {
    switch (process.step) {
      case Step::fresh:
        board().attach(process.slot, static_cast<std::int32_t>(process.pid));
        process.step = Step::between;
        return;
      case Step::between: return begin(process);
      case Step::running: return end_try(process);
      case Step::sent:
        board().finish_item(process.slot);
        process.step = Step::between;
        return;
      case Step::leaving:
        if (in_controller_) processes_.clear();
        else reap(index, exited(0));
    }
  }

  void begin(Process& process) {
    const auto claim = board().claim(process.slot, scene_.clock_ns());
    if (!claim) {
      process.step = Step::leaving;
      scene_.state.on_worker_finished(process.slot, core::WorkerFinished{}, world().now);
      return;
    }
    process.item = claim->item;
    process.step = Step::running;
    process.hangs = chance(weather_.hang);
    ++begun_[process.item];
  }

  void end_try(Process& process) {
    board().set_phase(process.slot, static_cast<core::ItemPhase>(1 + pick(3)));
    if (process.hangs) return;
    const bool fails = chance(weather_.failure);
    const std::uint32_t tries = board().tries(process.item);
    core::ItemResult result = result_of(process.item, fails ? "failed" : "passed");
    result.attempt = tries;
    if (fails && tries <= scene_.state.setup().options.retries) {
      result.outcome = "rerun";
      scene_.state.on_result(process.slot, result, world().now);
      (void)board().begin_try(process.slot, scene_.clock_ns());
      ++begun_[process.item];
      return;
    }
    (void)board().reserve(process.slot);
    ++sent_[process.item];
    process.step = Step::sent;
    scene_.state.on_result(process.slot, result, world().now);
  }

  std::mt19937& random_;
  Weather weather_;
  bool maxfail_ = false;
  bool serial_ = false;
  Scene scene_;
  World& world_ = scene_.world;
  bool in_controller_ = false;
  std::vector<Process> processes_;
  std::vector<std::uint32_t> sent_;     // final results, by item
  std::vector<std::uint32_t> begun_;
  std::size_t respawned_ = 0;           // of the world's records: so many are done
  std::size_t signals_ = 0;
  std::size_t deaths_ = 0;
  std::size_t barren_ = 0;
  std::int64_t last_pid_ = 1000;
  bool cancelled_ = false;
  bool unforked_ = false;
  bool controller_dead_ = false;
  bool controller_said_end_ = false;
};

struct Season {
  const char* name;
  Weather weather;
};
constexpr Season k_seasons[] = {
    {"failures", {.failure = 0.3}},
    {"deaths", {.death = 0.02}},
    {"many deaths", {.death = 0.3}},
    {"hangs", {.hang = 0.1}},
    {"deaths and hangs", {.death = 0.02, .hang = 0.1}},
    {"cancels", {.death = 0.01, .hang = 0.05, .cancel = 0.1}},
    {"a controller that dies", {.death = 0.01, .controller_death = 0.05}},
    {"no processes", {.death = 0.01, .no_fork = 0.2}},
};

}  // namespace

TEST_SUITE("pfctl/run_state") {
  TEST_CASE("whatever happens, each item has one final state at most, and only a complete run is green") {
    std::mt19937 random(31);
    for (const Season& season : k_seasons) {
      std::size_t deaths = 0;
      std::size_t complete = 0;
      constexpr std::size_t k_rounds = 250;
      for (std::size_t round = 0; round < k_rounds; ++round) {
        CAPTURE(season.name);
        CAPTURE(round);
        Chaos chaos(random, season.weather);
        REQUIRE(chaos.run());
        chaos.check();
        deaths += chaos.deaths();
        complete += chaos.is_complete() ? 1 : 0;
      }
      MESSAGE(std::string(season.name), ": ", complete, " of ", k_rounds, " runs complete, ", deaths, " workers lost");
      CHECK(complete > 0);
    }
  }
}
