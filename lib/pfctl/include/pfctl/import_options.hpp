// Which of a run's arguments may act while the suite is imported. Pure.
#pragma once

#include <span>
#include <string>

#include <pfcore/messages.hpp>

namespace pf::ctl {

// The arguments (options, and their values where these are written apart) that are not known to act after the imports only, as
// one comparable text. A module that was imported without them may be another one: -W error turns an import into an error,
// --cov traces it, --assert changes its code, a conftest's own option can change anything. So runs that differ in them
// never share a generation. What is known to act later (-k, -x, --tb, --junitxml, --reruns, -p no:NAME, …) is left out.
[[nodiscard]] std::string import_options(const core::OsStrings& argv, std::string_view cwd);

// The same, argument by argument: for people.
[[nodiscard]] core::OsStrings list_import_options(const core::OsStrings& argv, std::string_view cwd);

// The arguments without the `-p NAME` of session plugins: VS Code's, and those in `names`. Such a plugin tells somebody else what happens in one
// session, by a pipe or file that it opens: it is no part of what is kept warm, and every run imports it anew.
[[nodiscard]] core::OsStrings without_session_plugins(const core::OsStrings& argv, std::span<const std::string> names);

}  // namespace pf::ctl
