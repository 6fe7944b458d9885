// The root that names a daemon. Not pytest's rootdir: that is what pytest makes of a run's cwd and arguments.
#pragma once

#include <string>

#include <pfcore/messages.hpp>

namespace pf::ctl {

// PFAST_ROOT or PYTEST_FAST_ROOT (relative to `cwd`), else the nearest folder upward from `cwd` with pytest's
// configuration, else the nearest with a version control folder, else `cwd`. Absolute, symbolic links resolved where the
// folder exists. Reads files, never fails: what cannot be read holds no configuration.
[[nodiscard]] std::string find_root(const std::string& cwd, const core::Environment& env);

// True when pytest would take its configuration from a file in this folder: pytest.toml, .pytest.toml, pytest.ini,
// .pytest.ini, pyproject.toml with [tool.pytest] or [tool.pytest.ini_options], tox.ini with [pytest], setup.cfg with
// [tool:pytest]. Source: _pytest/config/findpaths.py.
[[nodiscard]] bool has_pytest_configuration(const std::string& folder);

}  // namespace pf::ctl
