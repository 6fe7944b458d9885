// Is a generation still what a fresh collection would give? Compares the files, folders and absent paths that collection
// depended on, and the environment variables that it read. LIFECYCLE.md, "Staleness", has the rules and their reasons.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <pfcore/messages.hpp>
#include <pfcore/result.hpp>
#include <pfcore/unique_fd.hpp>
#include <pfctl/environment_key.hpp>

namespace pf::ctl {

using SystemTime = std::chrono::system_clock::time_point;

class InputMemory;

// What an InputSet is made of, and how it is checked.
struct InputSummary {
  std::size_t inputs = 0;
  std::size_t folders = 0;                   // of the inputs: their entries count
  std::size_t absent = 0;
  std::size_t watch_folders = 0;             // that a watch has, or would take
  std::vector<std::string> variables;        // of the environment, that are set and key
  bool watched = false;                      // see watched()
  std::string watch_problem;                 // see watch_problem()
};

// What a watcher wants to know of inputs.
struct InputLook {
  std::optional<std::string> change;         // as file_change() says it
  std::vector<std::string> paths;            // what is not what it was: at most as many as were asked for
  std::uint64_t fingerprint = 0;             // of all identities as they are: another one, and something was touched
};

// One generation's inputs. Thread-safe: checks may run on any thread (they wait for each other), and remember what they
// learn. Movable while nobody checks.
class InputSet {
 public:
  InputSet();
  // `root` shortens paths in reasons. `boot_started`: system clock before the forkserver was started. Inputs that were
  // changed less than two seconds before that, or since, are compared by content until that is settled; the default
  // means unknown, so that the first check compares everything by content that has a hash.
  InputSet(std::vector<core::InputFile> inputs, EnvironmentKey environment, std::string root = {}, SystemTime boot_started = {});
  InputSet(InputSet&&) noexcept;
  InputSet& operator=(InputSet&&) noexcept;
  ~InputSet();

  // Of a boot that became ready in the environment `boot` (all of it, as the client sent it).
  [[nodiscard]] static InputSet from(core::BootReady ready, const core::Environment& boot, std::string root = {},
                                     SystemTime boot_started = {});
  // Of a boot that failed: it is not tried again before one of its inputs changes. No environment suits or not.
  [[nodiscard]] static InputSet from(core::BootFailed failed, std::string root = {}, SystemTime boot_started = {});

  // Why the generation is stale for this client: the environment first, then the files.
  [[nodiscard]] std::optional<std::string> check(const core::Environment& client) const;
  // The cheap part: no system call.
  [[nodiscard]] std::optional<std::string> environment_change(const core::Environment& client) const;
  // "changed: tests/test_a.py", "deleted: …", "new: …"; nullopt when all inputs are what they were. 10,000 unchanged
  // files take about 15 ms with warm caches, and under 1 ms while a watch of their folders (inotify) has nothing to tell; a
  // file whose identity changed is read.
  [[nodiscard]] std::optional<std::string> file_change() const;
  // Of the inputs in the order of recording, the first that is not what it was: its index. The environment is not looked at. As
  // file_change(), but nothing is learnt, and always a walk.
  [[nodiscard]] std::optional<std::size_t> first_changed() const;
  // Bytes; absolute.
  [[nodiscard]] const std::string& path(std::size_t index) const;
  // True when the watch alone says that all inputs are what they were: under 1 ms, waits for nobody. False says nothing.
  [[nodiscard]] bool is_certainly_unchanged() const;
  // As file_change(), and names up to `most` changed inputs; starts a watch again that was lost. Any thread.
  [[nodiscard]] InputLook look(std::size_t most, InputMemory* memory = nullptr) const;
  // Up to `most` inputs that this generation read as something else than what `memory` has of them; it has them then. Any thread.
  [[nodiscard]] std::vector<std::string> meet(InputMemory& memory, std::size_t most) const;
  // Readable when something may have happened to an input since take_news(); a copy, which stays good when the watch is lost.
  // Nothing: there is no watch, see watch_problem(). Errors: system.
  [[nodiscard]] core::Result<core::UniqueFd> news_descriptor() const;
  // Reads what the watch has to tell, so that news_descriptor() is quiet again. nullopt: a check is under way, ask again later.
  // True: an input may have been touched, or the watch was lost.
  [[nodiscard]] std::optional<bool> take_news() const;
  // As file_change(), at the given time: tests.
  [[nodiscard]] std::optional<std::string> file_change_at(SystemTime now) const;

  [[nodiscard]] std::size_t size() const noexcept;
  // Absolute paths, in the order in which they were recorded: for watchers.
  [[nodiscard]] std::vector<std::string> paths() const;
  // The next check needs no walk unless something happens.
  [[nodiscard]] bool watched() const;
  // Why there is no watch: "watch /p/tests (fs.inotify.max_user_watches): No space left on device"; empty when there is none to tell.
  [[nodiscard]] std::string watch_problem() const;
  // For people; a millisecond for 10,000 files. nullopt: a check is under way, and is not waited for.
  [[nodiscard]] std::optional<InputSummary> summary() const;
  // Inputs that are still compared by content.
  [[nodiscard]] std::size_t unsettled() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pf::ctl
