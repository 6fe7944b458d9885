// The arguments of the runs of `pfast-watch --rerun`: what comes first after an edit, and the rest. Pure, but for looking at which
// files there are.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <pfcore/messages.hpp>

namespace pf::ctl {

// What is known of the runs so far.
struct RerunFacts {
  std::string rootdir;                     // pytest's: node ids are relative to it; empty = nothing was run
  std::set<std::string> files;             // absolute, that tests were in
  std::set<std::string> nodeids;           // that were ever run
  std::set<std::string> failed;            // of them, by the last run of each
};

// One run, as its events told it.
struct RunFacts {
  bool collected = false;                  // it came so far
  std::string rootdir;
  std::int64_t deselected = 0;
  std::set<std::string> passed;            // node ids: no failure and no error
  std::set<std::string> failed;
};

void learn(RerunFacts& facts, const RunFacts& run);
// Before a run is learned that ran all tests of these files: those that it does not name are no more. `everything`: of all files.
void forget(RerunFacts& facts, const std::set<std::string>& edited, bool everything);
// The run ran everything that is known.
[[nodiscard]] bool is_complete(const RerunFacts& facts, const RunFacts& run);

// The user's arguments for the first stage: with the edited files, and the tests that failed last elsewhere, in place of their
// paths. Empty: nothing of it is a test that the arguments select, or they name single tests.
[[nodiscard]] core::OsStrings first_arguments(const core::OsStrings& arguments, const std::string& cwd, const RerunFacts& facts,
                                              const std::set<std::string>& edited);
// The user's arguments for what failed last; empty: nothing did.
[[nodiscard]] core::OsStrings failed_arguments(const core::OsStrings& arguments, const std::string& cwd, const RerunFacts& facts);
// The user's arguments without what `first` has run: by file, and by node id elsewhere.
[[nodiscard]] core::OsStrings rest_arguments(const core::OsStrings& arguments, const RerunFacts& facts, const std::set<std::string>& edited,
                                             const RunFacts& first);

}  // namespace pf::ctl
