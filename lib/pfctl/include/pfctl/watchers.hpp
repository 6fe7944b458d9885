// The clients that watch, and what the daemon looks at for them: the inputs of every generation that takes runs, and those of
// the last boot that came to nothing. While nobody watches nothing is looked at. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <pfcore/watch_messages.hpp>

#include <pfctl/daemon_log.hpp>
#include <pfctl/generation_pool.hpp>
#include <pfctl/input_watch.hpp>
#include <pfctl/loop.hpp>

namespace pf::ctl {

class Connection;

class Watchers {
 public:
  Watchers(Loop& loop, DaemonLog& log, GenerationPool& pool);
  Watchers(const Watchers&) = delete;
  Watchers& operator=(const Watchers&) = delete;
  ~Watchers();

  void add(Connection& connection, const core::WatchRequest& request);
  void remove(std::int64_t connection_id);
  // Generations came or went, or a boot failed.
  void sync();
  // Somebody wants the daemon to stay.
  [[nodiscard]] bool keep_daemon() const;
  // Another daemon serves the address: who watches finds it there.
  void send_away();

 private:
  struct Watcher {
    Connection* connection = nullptr;
    Milliseconds poll{500};
    bool keep = false;
    bool told = false;
  };
  struct Watched {
    std::unique_ptr<InputWatch> watch;
    bool looked = false;
    std::string seen;                              // what the last look said
    std::vector<std::string> changed;
  };

  void drop_gone();
  void on_look(std::int64_t id, const InputLook& look, bool touched, const std::vector<std::string>& missed);
  void tell_later();
  void tell();
  [[nodiscard]] core::WatchState state() const;
  [[nodiscard]] Milliseconds poll() const;

  Loop& loop_;
  DaemonLog& log_;
  GenerationPool& pool_;
  std::map<std::int64_t, Watcher> watchers_;       // by connection
  std::map<std::int64_t, Watched> watched_;        // by GenerationPool::Watchable::id
  std::shared_ptr<InputMemory> memory_;
  std::int64_t serial_ = 0;
  std::set<std::string> news_;                     // paths that serial_ was counted up for since the last state
  bool touched_ = false;
  bool telling_ = false;
  std::string told_;                               // the last state, encoded, without `touched`
  std::shared_ptr<Watchers*> self_;
};

}  // namespace pf::ctl
