#include <pfctl/stray_reaper.hpp>

#include <csignal>
#include <utility>

#include <pfctl/process_info.hpp>
#include <pfctl/process_table.hpp>

namespace pf::ctl {
namespace {

constexpr Milliseconds k_round{20};
constexpr int k_rounds = 100;

}  // namespace

StrayReaper::StrayReaper(Loop& loop, World world) : world_(std::move(world)), timer_(loop, [this] {
  if (kill_once() > 0 && --rounds_left_ > 0) return;
  timer_.stop();
  world_.on_swept();
}) {}

void StrayReaper::sweep() {
  if (kill_once() == 0) return;
  rounds_left_ = k_rounds;
  timer_.start(k_round, k_round);
}

bool StrayReaper::is_stray(std::int64_t pid) {
  if (world_.is_forkserver(pid)) return false;
  if (const auto kept = kept_.find(pid); kept != kept_.end() && world_.generation_exists(kept->second)) return false;
  const auto process = process_state(pid);
  if (!process || process->state == 'Z') return false;   // SIGCHLD brings it
  if (world_.is_live(pid) || world_.is_live(process->session)) return false;
  // It may belong to a run that still goes on: its session does not tell, so it waits for that run's end.
  return !world_.any_run();
}

std::size_t StrayReaper::kill_once() {
  std::size_t found = 0;
  for (const std::int64_t pid : children_of_self()) {
    if (!is_stray(pid)) continue;
    ++found;
    ::kill(static_cast<pid_t>(pid), SIGKILL);
  }
  return found;
}

void StrayReaper::adopt(std::int64_t generation) {
  if (world_.any_run()) return;
  for (const std::int64_t pid : children_of_self()) {
    if (!world_.is_forkserver(pid)) kept_.emplace(pid, generation);
  }
}

}  // namespace pf::ctl
