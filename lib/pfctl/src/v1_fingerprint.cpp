#include <pfctl/v1_fingerprint.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include <pfctl/environment.hpp>

#include "sha1.hpp"
#include "text.hpp"

namespace pf::ctl {
namespace {

constexpr std::array<std::string_view, 7> k_keys{
    "PYTEST_FAST_MARK",        "PYTEST_ADDOPTS",   "OUTCOME_DUMP",            "PYTEST_FAST_WATCH_DIRS",
    "PYTEST_FAST_WATCH_FILES", "PYTEST_FAST_ROOT", "PYTEST_FAST_ENV_PREFIXES"};

// The predecessor sets these when it is imported, in its clients too. They show when a prefix names them.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> k_set_by_predecessor{{
    {"no_proxy", "*"}, {"NO_PROXY", "*"}, {"OBJC_DISABLE_INITIALIZE_FORK_SAFETY", "YES"}}};

}  // namespace

std::string v1_fingerprint(const core::Environment& env) {
  const std::vector<std::string> prefixes = text::split(find_env(env, "PYTEST_FAST_ENV_PREFIXES").value_or(""), ",");
  const auto counts = [&](std::string_view key) {
    return std::find(k_keys.begin(), k_keys.end(), key) != k_keys.end() ||
           std::any_of(prefixes.begin(), prefixes.end(), [&](const std::string& prefix) { return key.starts_with(prefix); });
  };
  // In the order of bytes, which for UTF-8 is Python's order of characters. The first of two entries of one name is what
  // a process sees.
  std::map<std::string_view, std::string_view> counted;
  for (const auto& [key, value] : env) {
    if (counts(key)) counted.emplace(key, value);
  }
  for (const auto& [key, value] : k_set_by_predecessor) {
    if (counts(key)) counted.emplace(key, value);
  }
  std::string joined;
  for (const auto& [key, value] : counted) {
    if (!joined.empty()) joined += '\0';
    joined.append(key).append(1, '=').append(value);
  }
  return sha1_hex(joined);
}

}  // namespace pf::ctl
