// What a generation collects, and which environment it belongs to: pure functions over a run's request.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <pfcore/messages.hpp>

namespace pf::ctl {

// The paths that a generation is asked to collect. `whole`: everything that pytest collects without arguments.
struct BootScope {
  std::vector<std::string> paths;   // absolute, as spelled otherwise
  bool whole = false;

  [[nodiscard]] bool operator==(const BootScope&) const = default;
};

// The path parts (before "::") of those arguments that exist, seen from cwd; whole when there are none. Values of
// pytest's own options that are written apart (`-c FILE`, `--rootdir DIR`, …) are not taken for paths. The forkserver,
// which knows pytest's parser, has the last word.
[[nodiscard]] BootScope scope_of(const core::OsStrings& argv, std::string_view cwd);

// The arguments that scope_of takes for no paths, in their order.
[[nodiscard]] core::OsStrings without_paths(const core::OsStrings& argv, std::string_view cwd);

// Whoever has collected `wide` has collected `narrow`, seen from the same folder.
[[nodiscard]] bool covers(const BootScope& wide, const BootScope& narrow);
// Both together; a path below another one is dropped.
[[nodiscard]] BootScope unite(const BootScope& first, const BootScope& second);

// The part of an environment that the interpreter and the C library read before any line of the suite does (PYTHON*,
// LD_*, LANG, LC_*, TZ, …), as one comparable text. Runs that differ in it never share a generation.
[[nodiscard]] std::string process_key(const core::Environment& env);

// What a run and its generation must have in common: process_key, what comes first on sys.path (the program's folder, the current
// one for `python -m pytest`), and import_options (import_options.hpp).
[[nodiscard]] std::string generation_key(const core::Environment& env, const core::OsStrings& argv, std::string_view cwd,
                                         std::string_view program);

}  // namespace pf::ctl
