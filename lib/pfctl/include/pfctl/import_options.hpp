// Which of a run's arguments may act while the suite is imported. Pure.
#pragma once

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

}  // namespace pf::ctl
