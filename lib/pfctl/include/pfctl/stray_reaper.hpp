// Processes that became the daemon's children because their parents died: a test's double-forked helpers, mostly.
//
// The daemon is a subreaper, so nothing that a run started can leave its tree. When a run is over, what came to the
// daemon from it is killed, and again whatever those leave behind, until nothing is left. What appeared while a
// generation was collected belongs to the generation and lives as long. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include <pfctl/loop.hpp>

namespace pf::ctl {

class StrayReaper {
 public:
  struct World {
    std::function<bool(std::int64_t pid)> is_forkserver;
    // A live run's process, or one of its sessions.
    std::function<bool(std::int64_t session)> is_live;
    std::function<bool()> any_run;
    std::function<bool(std::int64_t generation)> generation_exists;
    // A sweep that had found something is over.
    std::function<void()> on_swept;
  };

  StrayReaper(Loop& loop, World world);
  // Kills strays now, and looks again until there are none (for two seconds at most).
  void sweep();
  // Whatever came up during the boot that has just ended stays as long as its generation.
  void adopt(std::int64_t generation);
  void on_exited(std::int64_t pid) { kept_.erase(pid); }
  [[nodiscard]] bool busy() const noexcept { return timer_.active(); }

 private:
  // Number of strays that were found, dead or alive.
  std::size_t kill_once();
  [[nodiscard]] bool is_stray(std::int64_t pid);

  World world_;
  std::map<std::int64_t, std::int64_t> kept_;   // pid -> generation
  int rounds_left_ = 0;
  Timer timer_;
};

}  // namespace pf::ctl
