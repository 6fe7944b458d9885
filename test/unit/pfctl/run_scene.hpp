// A run without processes: a world that remembers what the state machine asked for, and plays the workers.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pfcore/plan.hpp>
#include <pfctl/run_state.hpp>

namespace pf::test {

using namespace pf::ctl;
using namespace std::chrono_literals;


// A wait status as the kernel gives it.
constexpr int exited(int code) { return code << 8; }
constexpr int killed(int number) { return number; }

template <typename T>
std::vector<T> all_of(const std::vector<std::string>& payloads) {
  std::vector<T> out;
  for (const std::string& payload : payloads) {
    auto document = core::decode_pickle(payload, core::Limits::result());
    REQUIRE(document.ok());
    if (core::message_type(document->root()) != T::k_type) continue;
    auto message = core::decode_as<T>(document->root());
    REQUIRE(message.ok());
    out.push_back(std::move(message).value());
  }
  return out;
}

struct Sent {
  std::int64_t pid;
  int signal_number;
  bool group;
  bool operator==(const Sent&) const = default;
};

// The world around the machine: remembers what it was asked to do, and is the workers.
struct World final : RunEffects {
  std::vector<std::string> client;
  std::vector<std::string> controller;
  std::vector<Sent> signals;
  std::vector<std::size_t> respawned;
  std::vector<std::byte> storage;
  std::optional<core::RunBoard> board;
  bool refuse_workers = false;
  std::size_t others_have = 0;          // of the budget
  std::size_t budget = 1000;
  std::size_t working = 0;
  bool refuse_respawn = false;
  std::string shortage;                 // of memory
  std::int64_t kills = 0;               // by the kernel, for want of memory
  Process process = Process::alive;
  TimePoint now{1000s};

  void to_client(std::string_view payload) override { client.emplace_back(payload); }
  void progress_to_client(std::string_view payload) override { client.emplace_back(payload); }
  void to_controller(std::string_view payload) override { controller.emplace_back(payload); }
  core::Result<core::RunBoard> start_workers(const core::Selected& selected, std::size_t workers, std::size_t, bool) override {
    if (refuse_workers) return core::Error{core::ErrorCode::system, "make a socket pair: Too many open files", 24, 0};
    core::PlanInput input;
    input.items = selected.nodeids.size();
    input.groups = selected.groups;
    input.serial = selected.serial;
    input.workers = workers;
    const core::Plan plan = core::make_plan(input);
    const std::size_t size = core::RunBoard::size_bytes(plan, workers);
    storage.assign(size + 64, std::byte{0});
    const std::size_t skip = 63 - (reinterpret_cast<std::uintptr_t>(storage.data()) + 63) % 64;
    auto made = core::RunBoard::create(std::span(storage).subspan(skip, size), plan, workers);
    if (made) board = *made;
    return made;
  }
  std::size_t free_workers(std::size_t wanted) override {
    return std::min(wanted - std::min(working, wanted), budget - std::min(budget, working + others_have));
  }
  void note_workers(std::size_t workers) override { working = workers; }
  std::string memory_shortage() override { return shortage; }
  std::int64_t oom_kills() override { return kills; }
  bool respawn(std::size_t slot) override {
    respawned.push_back(slot);
    return !refuse_respawn;
  }
  void signal_process(std::int64_t pid, int number) override { signals.push_back({pid, number, false}); }
  void signal_group(std::int64_t pid, int number) override { signals.push_back({pid, number, true}); }
  Process look_at(std::int64_t) override { return process; }

  [[nodiscard]] bool signalled(Sent sent) const { return std::find(signals.begin(), signals.end(), sent) != signals.end(); }
  template <typename T>
  [[nodiscard]] std::vector<T> told() const { return all_of<T>(client); }
};

inline core::ItemResult result_of(std::uint32_t item, std::string outcome = "passed") {
  core::ItemResult result;
  result.item = item;
  result.outcome = outcome;
  core::PhaseReport phase;
  phase.when = "call";
  phase.outcome = outcome == "passed" ? "passed" : "failed";
  phase.category = outcome;
  result.phases.push_back(phase);
  return result;
}

// A run of `items` items on `workers` workers, brought up to the point where its workers run.
struct Scene {
  World world;
  RunState state;
  std::uint64_t clock_ns() const { return static_cast<std::uint64_t>(world.now.time_since_epoch().count()); }

  static RunSetup setup(std::size_t workers) {
    RunSetup setup;
    setup.id = 7;
    setup.options.workers = static_cast<std::int64_t>(workers);
    return setup;
  }
  explicit Scene(RunSetup run_setup) : state(std::move(run_setup), world, world.now) {}

  void select(std::size_t items, std::int64_t maxfail = 0, core::U32List serial = {}) {
    state.on_forked(100, world.now);
    core::Selected selected;
    selected.way = "adopt";
    for (std::size_t i = 0; i < items; ++i) {
      selected.nodeids.push_back("t.py::test_" + std::to_string(i));
      selected.groups.push_back(static_cast<std::uint32_t>(i));
    }
    selected.maxfail = maxfail;
    selected.serial = std::move(serial);
    state.on_selected(std::move(selected), world.now);
  }
  void start_worker(std::size_t slot, std::int64_t pid) {
    state.on_worker_started(static_cast<std::int64_t>(slot), pid, world.now);
    world.board->attach(slot, static_cast<std::int32_t>(pid));
  }
  std::uint32_t claim(std::size_t slot) {
    const auto claimed = world.board->claim(slot, clock_ns());
    REQUIRE(claimed.has_value());
    return claimed->item;
  }
  void finish(std::size_t slot, std::uint32_t item, const char* outcome = "passed") {
    state.on_result(slot, result_of(item, outcome), world.now);
    world.board->finish_item(slot);
  }
  // Runs everything that is left in the slot and leaves in order.
  void run_to_end(std::size_t slot, std::int64_t pid) {
    while (const auto claimed = world.board->claim(slot, clock_ns())) finish(slot, claimed->item);
    state.on_worker_finished(slot, core::WorkerFinished{}, world.now);
    state.on_worker_exited(static_cast<std::int64_t>(slot), pid, exited(0), world.now);
  }
  void controller_ends(std::int64_t code) {
    core::ControllerFinished finished;
    finished.exit_code = code;
    state.on_controller_finished(finished, world.now);
    state.on_controller_exited(exited(static_cast<int>(code)), world.now);
  }
  void pass(std::chrono::milliseconds time) {
    for (const TimePoint end = world.now + time; world.now < end; world.now += 100ms) state.tick(world.now, false);
  }
  [[nodiscard]] core::FinishedEvent finished() const {
    const auto events = world.told<core::FinishedEvent>();
    REQUIRE(events.size() == 1);
    return events[0];
  }
  [[nodiscard]] bool ends() const { return all_of<core::EndRun>(world.controller).size() == 1; }
};

}  // namespace pf::test
