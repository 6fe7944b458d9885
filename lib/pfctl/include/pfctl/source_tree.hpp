// Files that a watcher is told to look at beside what collection read: PYTEST_FAST_WATCH_DIRS and PYTEST_FAST_WATCH_FILES, with the
// predecessor's rules: of a folder, every *.py below it; of a file, itself; relative to the root. Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <pfctl/staleness.hpp>

namespace pf::ctl {

class SourceTree {
 public:
  SourceTree() = default;
  SourceTree(std::string root, std::vector<std::string> folders, std::vector<std::string> files);

  [[nodiscard]] bool empty() const noexcept { return folders_.empty() && files_.empty(); }
  // What is there now: path -> hash of the content; "" for a file that is not there, and for one that cannot be read.
  using Snapshot = std::map<std::string, std::string>;
  // Reads every file. Links to folders are not followed. Any thread.
  [[nodiscard]] Snapshot look() const;
  // "changed: src/app.py", "deleted: …", "new: …": the first difference; nullopt when there is none.
  [[nodiscard]] std::optional<std::string> difference(const Snapshot& before, const Snapshot& now) const;
  // To wait on: a change of these may be a difference, and there is none without one.
  [[nodiscard]] std::shared_ptr<const InputSet> inputs(const Snapshot& now) const;

 private:
  std::string root_;                       // absolute, with a slash at its end
  std::vector<std::string> folders_;       // absolute
  std::vector<std::string> files_;
};

}  // namespace pf::ctl
