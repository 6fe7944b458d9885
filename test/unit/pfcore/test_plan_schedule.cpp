// Plans carried out: workers that claim from a real board, in simulated time.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <queue>
#include <random>
#include <vector>

#include <pfcore/plan.hpp>
#include <pfcore/run_board.hpp>

#include "board_memory.hpp"

using namespace pf::core;
using pf::test::Board;

namespace {

using Numbers = std::vector<std::uint32_t>;

struct Suite {
  Numbers words;                     // groups are contiguous or not
  std::vector<double> expected_s;
  std::vector<double> setup_s;       // by item; the same for all of a group
  Numbers serial;
  Numbers seats;
  std::vector<std::uint64_t> needs;
  std::size_t workers = 1;
  bool is_known = true;              // the plan knows durations and set-up

  [[nodiscard]] std::uint32_t group(std::uint32_t item) const { return words[item] & k_group_number; }
  [[nodiscard]] Plan plan(Dist dist) const {
    PlanInput input;
    input.items = words.size();
    input.groups = words;
    if (is_known) input.expected_s = expected_s;
    if (is_known) input.setup_s = setup_s;
    input.serial = serial;
    input.seats = seats;
    input.needs = needs;
    input.workers = workers;
    input.dist = dist;
    return make_plan(input);
  }
};

double between(std::mt19937& random, double low, double high) {
  return std::uniform_real_distribution<double>(low, high)(random);
}

// Durations as suites have them: most items are short, some are long.
double duration(std::mt19937& random, unsigned shape) {
  if (shape == 0) return 1.0;
  if (shape == 1) return between(random, 0.1, 2);
  return std::exp(between(random, -5, 3));
}

Suite random_suite(std::mt19937& random) {
  Suite suite;
  suite.workers = 2 + random() % 9;
  const std::size_t groups = 1 + random() % 30;
  const auto shape = static_cast<unsigned>(random() % 3);
  const bool sharing = random() % 2 == 0;
  for (std::uint32_t group = 0; group < groups; ++group) {
    const std::size_t items = random() % 4 == 0 ? 1 + random() % 40 : 1 + random() % 8;
    const bool shares = sharing && random() % 2 == 0;
    const std::uint32_t bits = shares ? k_cut_shares_setup : random() % 12 == 0 ? k_cut_never : 0;
    const double setup = shares ? between(random, 0, 10) : 0;
    for (std::size_t i = 0; i < items; ++i) {
      suite.words.push_back(group | bits);
      suite.expected_s.push_back(duration(random, shape));
      suite.setup_s.push_back(setup);
    }
  }
  return suite;
}

struct Outcome {
  double makespan = 0;
  double busy = 0;
  std::vector<int> results;            // by item
  std::vector<int> begun;
  bool is_orderly = true;              // announced items came, resources were kept, serial items ran alone
};

// What may happen to workers: each item that is begun kills its worker with this probability.
struct Mishaps {
  double death = 0;
  std::uint32_t retries = 0;
  std::mt19937* random = nullptr;
};

class Simulation {
 public:
  Simulation(const Suite& suite, const Plan& plan, Mishaps mishaps)
      : suite_(suite), mishaps_(mishaps), shared_(plan, suite.workers), workers_(suite.workers), tries_(suite.words.size()) {
    outcome_.results.resize(suite.words.size());
    outcome_.begun.resize(suite.words.size());
  }

  Outcome run() {
    for (std::size_t slot = 0; slot < workers_.size(); ++slot) start(slot, 0);
    for (;;) {
      while (!events_.empty()) step();
      if (!board().has_serial_work()) break;
      board().open_serial();              // as the daemon does when every worker is gone
      serial_ = true;
      start(0, outcome_.makespan);
    }
    return outcome_;
  }

 private:
  struct Worker {
    std::uint32_t item = k_no_item;       // running, or k_no_item
    std::uint32_t last = k_no_item;
    bool waits = false;                   // for a resource
    bool dies = false;
  };
  struct Event {
    double at;
    std::size_t slot;
    bool operator>(const Event& other) const { return at != other.at ? at > other.at : slot > other.slot; }
  };

  RunBoard& board() { return shared_.board; }

  void start(std::size_t slot, double now) {
    workers_[slot] = Worker{};
    board().attach(slot, static_cast<std::int32_t>(++pid_));
    begin(slot, now);
  }

  void begin(std::size_t slot, double now) {
    Worker& worker = workers_[slot];
    worker.waits = false;
    const auto reserved = board().reserve(slot);
    if (!reserved) {
      board().set_state(slot, WorkerState::gone);
      return;
    }
    if (!board().acquire(slot)) {
      worker.waits = true;
      return;
    }
    const auto claim = board().claim(slot, 1);
    if (claim->item != *reserved) outcome_.is_orderly = false;
    worker.item = claim->item;
    ++outcome_.begun[worker.item];
    check_neighbours(slot);
    double takes = suite_.expected_s[worker.item];
    if (worker.last == k_no_item || suite_.group(worker.last) != suite_.group(worker.item)) takes += suite_.setup_s[worker.item];
    worker.dies = mishaps_.random != nullptr && between(*mishaps_.random, 0, 1) < mishaps_.death;
    if (worker.dies) takes *= between(*mishaps_.random, 0, 1);
    outcome_.busy += takes;
    events_.push({now + takes, slot});
  }

  void check_neighbours(std::size_t slot) {
    const bool is_serial = std::binary_search(suite_.serial.begin(), suite_.serial.end(), workers_[slot].item);
    if (is_serial != serial_) outcome_.is_orderly = false;
    std::map<std::size_t, std::uint32_t> taken;
    for (const Worker& worker : workers_) {
      if (worker.item == k_no_item) continue;
      if (&worker != &workers_[slot] && is_serial) outcome_.is_orderly = false;
      for (std::size_t resource = 0; resource < suite_.seats.size(); ++resource) {
        taken[resource] += static_cast<std::uint32_t>(suite_.needs[worker.item] >> resource & 1);
      }
    }
    for (const auto& [resource, count] : taken) {
      if (count > suite_.seats[resource]) outcome_.is_orderly = false;
    }
  }

  void step() {
    const Event event = events_.top();
    events_.pop();
    Worker& worker = workers_[event.slot];
    outcome_.makespan = std::max(outcome_.makespan, event.at);
    if (worker.dies) {
      lose(event.slot, event.at);
    } else {
      worker.last = worker.item;
      ++outcome_.results[worker.item];
      (void)board().reserve(event.slot);
      board().finish_item(event.slot);
      worker.item = k_no_item;
      begin(event.slot, event.at);
    }
    // Whoever waits asks again: something was released.
    for (std::size_t slot = 0; slot < workers_.size(); ++slot) {
      if (workers_[slot].waits) begin(slot, event.at);
    }
  }

  void lose(std::size_t slot, double now) {
    const std::uint32_t item = board().slot(slot).item;
    if (item != workers_[slot].item) outcome_.is_orderly = false;
    workers_[slot].item = k_no_item;
    board().release(slot);
    if (tries_[item]++ < mishaps_.retries) board().put_back(item);
    else ++outcome_.results[item];       // blamed
    if (board().has_work(slot)) start(slot, now);
    else board().set_state(slot, WorkerState::gone);
  }

  const Suite& suite_;
  Mishaps mishaps_;
  Board shared_;
  std::vector<Worker> workers_;
  std::vector<std::uint32_t> tries_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  Outcome outcome_;
  bool serial_ = false;
  int pid_ = 100;
};

// A group as one job, with what cutting it costs.
struct Job {
  double items = 0;        // seconds of its items
  double longest = 0;      // of them
  double setup = 0;        // paid once, and again by each further piece
  bool may_be_cut = true;
};

std::vector<Job> jobs_of(const Suite& suite) {
  std::map<std::uint32_t, Job> jobs;
  for (std::uint32_t item = 0; item < suite.words.size(); ++item) {
    Job& job = jobs[suite.group(item)];
    job.items += suite.expected_s[item];
    job.longest = std::max(job.longest, suite.expected_s[item]);
    job.setup = suite.setup_s[item];
    job.may_be_cut = (suite.words[item] & k_cut_never) == 0;
  }
  std::vector<Job> out;
  for (const auto& [group, job] : jobs) out.push_back(job);
  return out;
}

// Graham's bound ("Bounds on Multiprocessing Timing Anomalies", 1969): no list schedule of jobs with the sum W and the longest
// job L takes longer on m workers than W / m + (1 - 1 / m) L. Here a job is a group, set up once (`most` is infinite), or each
// group that may be cut is cut into pieces of at most `most` seconds or one item: every piece is set up.
double graham(const std::vector<Job>& jobs, std::size_t workers, double most) {
  double total = 0;
  double longest = 0;
  for (const Job& job : jobs) {
    const double pieces = job.may_be_cut ? std::max(1.0, std::ceil(job.items / most)) : 1.0;
    total += job.items + pieces * job.setup;
    // Cut between items: a piece is longer than the fair part by less than an item.
    longest = std::max(longest, job.setup + (pieces > 1 ? job.items / pieces + job.longest : job.items));
  }
  const auto m = static_cast<double>(workers);
  return total / m + (1 - 1 / m) * longest;
}

double list_bound(const Suite& suite) { return graham(jobs_of(suite), suite.workers, std::numeric_limits<double>::infinity()); }

// The least of the bounds for groups as they are and for groups cut into pieces of any one length.
double cut_bound(const Suite& suite) {
  const std::vector<Job> jobs = jobs_of(suite);
  double longest = 0;
  for (const Job& job : jobs) longest = std::max(longest, job.items);
  double least = list_bound(suite);
  for (double most = longest; most > longest / 1000; most *= 0.9) least = std::min(least, graham(jobs, suite.workers, most));
  return least;
}

bool all_are(const std::vector<int>& counts, int number) {
  return std::all_of(counts.begin(), counts.end(), [number](int count) { return count == number; });
}

}  // namespace

TEST_SUITE("pfcore/plan") {
  TEST_CASE("no plan from history takes longer than 1.1 times the bound of list scheduling, with groups cut or not") {
    std::mt19937 random(20);
    double worst = 0;
    double worst_cut = 0;
    double efficiency = 0;
    constexpr int k_instances = 10'000;
    for (int i = 0; i < k_instances; ++i) {
      const Suite suite = random_suite(random);
      const Outcome outcome = Simulation(suite, suite.plan(Dist::automatic), {}).run();
      CAPTURE(i);
      REQUIRE(all_are(outcome.results, 1));
      const double ratio = outcome.makespan / list_bound(suite);
      worst = std::max(worst, ratio);
      efficiency += outcome.busy / (outcome.makespan * static_cast<double>(suite.workers)) / k_instances;
      REQUIRE(ratio <= 1.1);
      // A cut that gains less than 50 ms is not made.
      const double ratio_cut = (outcome.makespan - 0.05) / cut_bound(suite);
      worst_cut = std::max(worst_cut, ratio_cut);
      REQUIRE(ratio_cut <= 1.1);
    }
    MESSAGE("worst: ", worst, " of the bound, ", worst_cut, " of that with groups cut; workers are busy ", efficiency, " of the time");
  }

  TEST_CASE("a history that is wrong by a factor of two costs a tenth of the bound at most") {
    std::mt19937 random(23);
    double worst = 0;
    for (int i = 0; i < 2000; ++i) {
      Suite suite = random_suite(random);
      const Plan plan = suite.plan(Dist::automatic);
      for (double& seconds : suite.expected_s) seconds *= between(random, 0.5, 2);
      const Outcome outcome = Simulation(suite, plan, {}).run();
      CAPTURE(i);
      REQUIRE(all_are(outcome.results, 1));
      worst = std::max(worst, (outcome.makespan - 0.05) / list_bound(suite));
    }
    MESSAGE("worst: ", worst, " of the bound");
    CHECK(worst <= 1.1);
  }

  TEST_CASE("without history a plan takes no longer than list scheduling of its groups may") {
    std::mt19937 random(21);
    for (int i = 0; i < 2000; ++i) {
      Suite suite = random_suite(random);
      suite.is_known = false;
      for (std::uint32_t& word : suite.words) word &= ~k_cut_shares_setup;
      std::fill(suite.setup_s.begin(), suite.setup_s.end(), 0.0);
      const Outcome outcome = Simulation(suite, suite.plan(Dist::automatic), {}).run();
      CAPTURE(i);
      REQUIRE(outcome.makespan <= list_bound(suite) * 1.1);
    }
  }

  TEST_CASE("every item has exactly one result, whatever dies, is stolen, waits or is tried again") {
    std::mt19937 random(22);
    std::size_t deaths = 0;
    for (int i = 0; i < 3000; ++i) {
      Suite suite = random_suite(random);
      suite.is_known = random() % 2 == 0;
      const auto items = static_cast<std::uint32_t>(suite.words.size());
      if (random() % 3 == 0) {
        for (std::uint32_t item = 0; item < items; ++item) {
          if (random() % 10 == 0) suite.serial.push_back(item);
        }
      }
      if (random() % 2 == 0) {
        suite.seats = {1, 2, 3};
        for (std::uint32_t item = 0; item < items; ++item) suite.needs.push_back(random() % 3 == 0 ? random() % 8 : 0);
      }
      const auto retries = static_cast<std::uint32_t>(random() % 3);
      const double death = random() % 3 == 0 ? 0.0 : between(random, 0, 0.3);
      for (const Dist dist : {Dist::automatic, Dist::load, Dist::loadgroup, Dist::worksteal}) {
        CAPTURE(i);
        const Plan plan = suite.plan(dist);
        REQUIRE(plan.order == suite.plan(dist).order);
        const Outcome outcome = Simulation(suite, plan, {death, retries, &random}).run();
        REQUIRE(all_are(outcome.results, 1));
        REQUIRE(outcome.is_orderly);
        if (death == 0) REQUIRE(all_are(outcome.begun, 1));
        for (const int begun : outcome.begun) deaths += static_cast<std::size_t>(begun - 1);
        REQUIRE(std::all_of(outcome.begun.begin(), outcome.begun.end(), [&](int begun) { return begun <= static_cast<int>(retries) + 1; }));
      }
    }
    MESSAGE("tries that were repeated: ", deaths);
    CHECK(deaths > 1000);
  }

  TEST_CASE("24 equal groups and a long one that is known keep two workers busy for at least 97 % of the time") {
    Suite suite;
    suite.workers = 2;
    for (std::uint32_t group = 0; group < 24; ++group) {
      for (int i = 0; i < 20; ++i) {
        suite.words.push_back(group | k_cut_shares_setup);
        suite.expected_s.push_back(group == 17 ? 0.5 : 0.05);
        suite.setup_s.push_back(0.2);
      }
    }
    const Outcome outcome = Simulation(suite, suite.plan(Dist::automatic), {}).run();
    CHECK(outcome.busy / (2 * outcome.makespan) >= 0.97);
  }
}
