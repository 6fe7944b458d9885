#include <pfctl/root.hpp>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <optional>
#include <string_view>

#include <pfctl/environment.hpp>

#include "files.hpp"
#include "text.hpp"

namespace pf::ctl {
namespace {

constexpr std::size_t k_max_config_bytes = 4u << 20;
constexpr std::size_t k_max_depth = 256;

std::string resolved(const std::string& path) {
  std::array<char, PATH_MAX> buffer;
  return ::realpath(path.c_str(), buffer.data()) != nullptr ? std::string(buffer.data()) : path;
}

std::string absolute(std::string_view path, const std::string& cwd) {
  std::string out = path.starts_with('/') ? std::string(path) : cwd + '/' + std::string(path);
  while (out.size() > 1 && out.back() == '/') out.pop_back();
  return resolved(out);
}

template <typename Predicate>
bool any_line(std::string_view text, Predicate wanted) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (wanted(text.substr(0, end))) return true;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return false;
}

// A TOML line up to its comment, without blanks and quotes: "[ tool . 'pytest' ]" is "[tool.pytest]".
std::string toml_bones(std::string_view line) {
  std::string out;
  for (const char c : line) {
    if (c == '#') break;
    if (c != ' ' && c != '\t' && c != '\r' && c != '"' && c != '\'') out += c;
  }
  return out;
}

// Not a TOML parser: a client has a millisecond, and pytest itself complains of what is no TOML. Seen are the table
// headers and the dotted keys that can bring pytest's table into being.
bool pyproject_names_pytest(std::string_view text) {
  if (text.find("pytest") == text.npos) return false;
  std::string table;
  return any_line(text, [&table](std::string_view line) {
    const std::string bones = toml_bones(line);
    if (bones.starts_with('[') && bones.ends_with(']')) {
      table = bones.substr(1, bones.size() - 2);
      return table == "tool.pytest" || table.starts_with("tool.pytest.");
    }
    const auto defines = [&bones](std::string_view key) {
      return bones.starts_with(key) && bones.size() > key.size() && (bones[key.size()] == '.' || bones[key.size()] == '=');
    };
    return (table.empty() && defines("tool.pytest")) || (table == "tool" && defines("pytest"));
  });
}

// iniconfig: a section header starts in the first column.
bool ini_has_section(std::string_view text, std::string_view header) {
  return any_line(text, [header](std::string_view line) { return line.starts_with(header); });
}

bool folder_has_any(const std::string& folder, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(), [&](const char* name) { return files::exists(folder + '/' + name); });
}

std::string text_of(const std::string& folder, const char* name) {
  return files::read(AT_FDCWD, (folder + '/' + name).c_str(), k_max_config_bytes).value_or("");
}

template <typename Predicate>
std::optional<std::string> nearest(std::string folder, Predicate wanted) {
  for (std::size_t depth = 0; depth < k_max_depth && !folder.empty(); ++depth) {
    if (wanted(folder == "/" ? std::string() : folder)) return folder;
    if (folder == "/") break;
    folder = files::parent(folder);
  }
  return std::nullopt;
}

}  // namespace

bool has_pytest_configuration(const std::string& folder) {
  return folder_has_any(folder, {"pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini"}) ||
         pyproject_names_pytest(text_of(folder, "pyproject.toml")) ||
         ini_has_section(text_of(folder, "tox.ini"), "[pytest]") ||
         ini_has_section(text_of(folder, "setup.cfg"), "[tool:pytest]");
}

std::string find_root(const std::string& cwd, const core::Environment& env) {
  for (const std::string_view name : {"PFAST_ROOT", "PYTEST_FAST_ROOT"}) {
    if (const auto value = find_env_text(env, name)) return absolute(*value, cwd);
  }
  const std::string start = absolute(cwd, "");
  if (auto found = nearest(start, has_pytest_configuration)) return *found;
  const auto has_version_control = [](const std::string& folder) { return folder_has_any(folder, {".git", ".hg", ".svn"}); };
  if (auto found = nearest(start, has_version_control)) return *found;
  return start;
}

}  // namespace pf::ctl
