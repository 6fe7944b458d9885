#include <pfctl/boot_scope.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <utility>

#include <pfctl/import_options.hpp>
#include <pfctl/staleness.hpp>

namespace pf::ctl {
namespace {

// Options whose value is the next argument and could be the name of a file or folder.
constexpr std::array<std::string_view, 26> k_value_options = {
    "-c", "--config-file", "--rootdir", "--confcutdir", "--basetemp", "--junitxml", "--junit-xml", "--ignore",
    "--ignore-glob", "--deselect", "--log-file", "--import-mode", "-p", "-o", "--override-ini", "-W", "--pythonwarnings",
    "-k", "-m", "-n", "--numprocesses", "--tb", "--durations", "--maxfail", "-r", "--color"};

bool exists(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0;
}

std::string absolute(std::string_view path, std::string_view cwd) {
  std::string out;
  if (path.empty() || path.front() != '/') {
    out = cwd;
    if (out.empty() || out.back() != '/') out += '/';
  }
  out += path;
  while (out.size() > 1 && out.back() == '/') out.pop_back();
  if (out.size() > 2 && out.ends_with("/.")) out.resize(out.size() - 2);
  return out;
}

bool covers(std::string_view folder, std::string_view path) {
  if (!path.starts_with(folder)) return false;
  return path.size() == folder.size() || folder == "/" || path[folder.size()] == '/';
}

// Calls `visit(argument, path)` for every argument, with an empty path for those that name none.
template <typename Visit>
void for_every_argument(const core::OsStrings& argv, std::string_view cwd, Visit&& visit) {
  bool skip = false;
  bool only_paths = false;
  for (const std::string& argument : argv) {
    const bool is_value = std::exchange(skip, false);
    std::string path;
    if (!only_paths && argument == "--") {
      only_paths = true;
    } else if (!only_paths && !argument.empty() && argument.front() == '-') {
      skip = std::find(k_value_options.begin(), k_value_options.end(), argument) != k_value_options.end();
    } else if (!is_value) {
      // A parameter may hold "::" itself: pytest looks before the bracket.
      const std::string_view before_bracket = std::string_view(argument).substr(0, argument.find('['));
      path = absolute(before_bracket.substr(0, before_bracket.find("::")), cwd);
      if (before_bracket.empty() || !exists(path)) path.clear();
    }
    visit(argument, std::move(path));
  }
}

}  // namespace

BootScope scope_of(const core::OsStrings& argv, std::string_view cwd) {
  BootScope scope;
  for_every_argument(argv, cwd, [&](const std::string&, std::string path) {
    if (!path.empty() && std::find(scope.paths.begin(), scope.paths.end(), path) == scope.paths.end()) scope.paths.push_back(std::move(path));
  });
  scope.whole = scope.paths.empty();
  return scope;
}

core::OsStrings without_paths(const core::OsStrings& argv, std::string_view cwd) {
  core::OsStrings out;
  for_every_argument(argv, cwd, [&](const std::string& argument, const std::string& path) {
    if (path.empty()) out.push_back(argument);
  });
  return out;
}

bool covers(const BootScope& wide, const BootScope& narrow) {
  if (wide.whole || narrow.whole) return wide.whole;
  return std::all_of(narrow.paths.begin(), narrow.paths.end(), [&](const std::string& path) {
    return std::any_of(wide.paths.begin(), wide.paths.end(), [&](const std::string& folder) { return covers(folder, path); });
  });
}

BootScope unite(const BootScope& first, const BootScope& second) {
  if (first.whole || second.whole) return {{}, true};
  std::vector<std::string> all = first.paths;
  all.insert(all.end(), second.paths.begin(), second.paths.end());
  BootScope scope;
  for (std::size_t i = 0; i < all.size(); ++i) {
    bool redundant = false;
    for (std::size_t j = 0; j < all.size() && !redundant; ++j) {
      redundant = j != i && covers(all[j], all[i]) && (all[j] != all[i] || j < i);
    }
    if (!redundant) scope.paths.push_back(all[i]);
  }
  return scope;
}

std::string process_key(const core::Environment& env) {
  std::vector<std::string> lines;
  for (const auto& [key, value] : env) {
    if (env_rule(key) == EnvRule::always) lines.push_back(key + "=" + value);
  }
  std::sort(lines.begin(), lines.end());
  std::string out;
  for (const std::string& line : lines) {
    out += line;
    out += '\0';
  }
  return out;
}

std::string generation_key(const core::Environment& env, const core::OsStrings& argv, std::string_view cwd, std::string_view program) {
  const std::size_t slash = program.rfind('/');
  const std::string_view folder = program.substr(0, slash == program.npos ? 0 : slash);
  const bool is_module = program.ends_with("/__main__.py");   // python -m pytest: the current folder comes first on sys.path
  return process_key(env) + '\0' + std::string(is_module ? cwd : folder) + '\0' + import_options(argv, cwd);
}

}  // namespace pf::ctl
