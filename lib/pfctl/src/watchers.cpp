#include <pfctl/watchers.hpp>

#include <algorithm>
#include <set>
#include <utility>

#include <pfctl/connection.hpp>
#include <pfctl/input_memory.hpp>

namespace pf::ctl {

Watchers::Watchers(Loop& loop, DaemonLog& log, GenerationPool& pool)
    : loop_(loop), log_(log), pool_(pool), self_(std::make_shared<Watchers*>(this)) {}

Watchers::~Watchers() { *self_ = nullptr; }

void Watchers::add(Connection& connection, const core::WatchRequest& request) {
  watchers_[connection.id()] = {&connection, milliseconds_of(request.poll_s), request.keep, false};
  sync();
  tell_later();
}

void Watchers::remove(std::int64_t connection_id) {
  if (watchers_.erase(connection_id) == 0 || !watchers_.empty()) return;
  watched_.clear();
  memory_.reset();
}

bool Watchers::keep_daemon() const {
  return std::any_of(watchers_.begin(), watchers_.end(), [](const auto& entry) { return entry.second.keep; });
}

void Watchers::send_away() {
  std::vector<Connection*> leaving;
  for (const auto& [id, watcher] : watchers_) leaving.push_back(watcher.connection);
  for (Connection* connection : leaving) connection->close();
}

Milliseconds Watchers::poll() const {
  Milliseconds least{60000};
  for (const auto& [id, watcher] : watchers_) least = std::min(least, watcher.poll);
  return least;
}

void Watchers::drop_gone() {
  const auto watchables = pool_.watchables();
  std::erase_if(watched_, [&](const auto& entry) {
    return std::none_of(watchables.begin(), watchables.end(), [&](const auto& one) { return one.id == entry.first; });
  });
}

void Watchers::sync() {
  if (watchers_.empty()) return;
  if (!memory_) memory_ = std::make_shared<InputMemory>();
  for (const auto& one : pool_.watchables()) {
    if (watched_.contains(one.id)) continue;
    Watched& added = watched_[one.id];
    const auto handler = [this, id = one.id](const InputLook& look, bool touched, const std::vector<std::string>& missed) {
      on_look(id, look, touched, missed);
    };
    added.watch = std::make_unique<InputWatch>(loop_, one.inputs, memory_, poll(), handler);
    added.watch->start();
  }
  tell_later();
}

void Watchers::on_look(std::int64_t id, const InputLook& look, bool touched, const std::vector<std::string>& missed) {
  const auto found = watched_.find(id);
  if (found == watched_.end()) return;
  Watched& watched = found->second;
  std::string seen = look.change.value_or("");
  if (!missed.empty() || (watched.looked ? seen != watched.seen || look.paths != watched.changed : !seen.empty())) {
    ++serial_;
    news_.insert(missed.begin(), missed.end());
    // Also what is again as it was: its generation may be gone by the time that this is told.
    news_.insert(look.paths.begin(), look.paths.end());
    news_.insert(watched.changed.begin(), watched.changed.end());
  }
  watched.looked = true;
  watched.seen = std::move(seen);
  watched.changed = look.paths;
  touched_ = touched_ || touched;
  pool_.record_look(id, look.change, touched);
  tell_later();
}

// Once a turn: several generations are looked at for one event.
void Watchers::tell_later() {
  if (std::exchange(telling_, true)) return;
  loop_.defer([self = self_] {
    if (*self != nullptr) (*self)->tell();
  });
}

void Watchers::tell() {
  telling_ = false;
  drop_gone();
  const bool all_looked = std::all_of(watched_.begin(), watched_.end(), [](const auto& entry) { return entry.second.looked; });
  if (!all_looked) return;
  core::WatchState now = state();
  const std::string same_as_before = core::encode(now);
  now.touched = std::exchange(touched_, false);
  const bool news = now.touched || same_as_before != told_;
  for (const std::string& path : std::exchange(news_, {})) {
    const bool known = std::find(now.changed.begin(), now.changed.end(), path) != now.changed.end();
    if (!known && now.changed.size() < k_changes_named) now.changed.push_back(path);
  }
  const std::string text = core::encode(now);
  for (auto& [id, watcher] : watchers_) {
    if (news || !watcher.told) watcher.connection->send_event(text);
    watcher.told = true;
  }
  told_ = same_as_before;
}

core::WatchState Watchers::state() const {
  core::WatchState state;
  state.serial = serial_;
  state.outdated = pool_.outdated().value_or("");
  std::set<std::string> changed;
  for (const auto& [id, watched] : watched_) {
    for (const std::string& path : watched.changed) {
      if (changed.size() < k_changes_named) changed.insert(path);
    }
    if (state.problem.empty()) state.problem = watched.watch->problem();
  }
  state.changed.assign(changed.begin(), changed.end());
  state.generations = static_cast<std::int64_t>(watched_.size());
  return state;
}

}  // namespace pf::ctl
