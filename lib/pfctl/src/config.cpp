// The only file that includes toml++.
#include <pfctl/config.hpp>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include <pfctl/environment.hpp>

#include "config_values.hpp"
#include "files.hpp"
#include "text.hpp"

// Header-only, whatever the system's pkg-config file asks for: one file uses it, and `pfast` starts a library sooner.
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#endif
#include <toml++/toml.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace pf::ctl {
namespace {

using core::ErrorCode;

constexpr std::size_t k_max_file_bytes = 4u << 20;

core::Error complaint(const std::string& where, const std::string& what) {
  return text::error(ErrorCode::invalid_argument, "read the settings: " + where + ": " + what);
}

std::string known_keys() {
  std::string out;
  for (const SettingKey& key : setting_keys()) out += (out.empty() ? "" : ", ") + std::string(key.name);
  return out;
}

// ---------------------------------------------------------------- files

struct ConfigFile {
  std::string path;
  std::string table;        // "[tool.pfast]", or empty for the top level
  std::string content;
};

core::Result<std::optional<std::string>> read_if_there(const std::string& path) {
  auto content = files::read(path, k_max_file_bytes + 1);
  if (!content && (errno == ENOENT || errno == ENOTDIR)) return std::optional<std::string>();
  if (!content) return core::Error::from_errno("read the settings: '" + path + "'", errno);
  if (content->size() > k_max_file_bytes) return text::error(ErrorCode::limit, "read the settings: '" + path + "' is larger than 4 MiB");
  return content;
}

// As with other tools, a file of one's own replaces the table in pyproject.toml: one place to look at.
core::Result<std::optional<ConfigFile>> find_file(const std::string& root) {
  const std::string own = root + "/pfast.toml";
  auto content = read_if_there(own);
  if (!content) return std::move(content).error();
  if (content->has_value()) return std::optional(ConfigFile{own, "", std::move(**content)});
  const std::string project = root + "/pyproject.toml";
  content = read_if_there(project);
  if (!content) return std::move(content).error();
  // Most projects have no table of ours: no reason to parse their file, or to complain about it.
  if (!content->has_value() || (*content)->find("pfast") == std::string::npos) return std::optional<ConfigFile>();
  return std::optional(ConfigFile{project, "[tool.pfast]", std::move(**content)});
}

RawValue raw_from_toml(const toml::node& node) {
  RawValue value;
  if (const auto* integer = node.as_integer()) value.integer = integer->get();
  if (value.integer) value.number = static_cast<double>(*value.integer);
  if (const auto* number = node.as_floating_point()) value.number = number->get();
  if (const auto* text = node.as_string()) value.text = text->get();
  if (value.text) value.shown = '"' + *value.text + '"';
  else if (value.integer) value.shown = std::to_string(*value.integer);
  else if (value.number) value.shown = std::to_string(*value.number);
  else if (const auto* flag = node.as_boolean()) value.shown = flag->get() ? "true" : "false";
  else value.shown = node.is_array() ? "an array" : node.is_table() ? "a table" : "a date or time";
  return value;
}

core::Status apply_key(Settings& settings, const ConfigFile& file, const toml::key& key, const toml::node& node) {
  const std::string where = file.path + ':' + std::to_string(key.source().begin.line);
  const std::string named = "key '" + std::string(key.str()) + "'" + (file.table.empty() ? "" : " in " + file.table);
  const auto same = [&](const SettingKey& known) { return known.name == key.str(); };
  const auto found = std::find_if(setting_keys().begin(), setting_keys().end(), same);
  if (found == setting_keys().end()) {
    return complaint(where, "unknown " + named + "; known keys: " + known_keys() + ". Correct its spelling or remove the line");
  }
  const RawValue value = raw_from_toml(node);
  if (!found->assign(settings, value)) {
    return complaint(where, named + " must be " + std::string(found->expects) + ", not " + value.shown);
  }
  settings.sources[std::string(found->name)] = where;
  // A path in a file is meant from that file's folder; a plain name is looked for on PATH.
  const bool is_path = found->name == "python" && !settings.python.starts_with('/') &&
                       (settings.python.starts_with('.') || settings.python.find('/') != std::string::npos);
  if (is_path) settings.python = files::parent(file.path) + '/' + settings.python;
  return core::ok_status();
}

core::Status apply_file(Settings& settings, const ConfigFile& file) {
  const toml::parse_result parsed = toml::parse(file.content, file.path);
  if (!parsed) {
    const auto& position = parsed.error().source().begin;
    return text::error(ErrorCode::malformed, "read the settings: " + file.path + ':' + std::to_string(position.line) + ':' +
                                                 std::to_string(position.column) + ": this is no TOML: " +
                                                 std::string(parsed.error().description()) + ". Mend that line");
  }
  const toml::table* table = &parsed.table();
  if (!file.table.empty()) {
    const auto place = parsed.table().at_path("tool.pfast");
    if (!place) return core::ok_status();
    table = place.as_table();
    if (table == nullptr) {
      return complaint(file.path + ':' + std::to_string(place.node()->source().begin.line), "tool.pfast must be a table: write [tool.pfast]");
    }
  }
  for (const auto& [key, node] : *table) {
    if (auto applied = apply_key(settings, file, key, node); !applied) return applied;
  }
  return core::ok_status();
}

// ---------------------------------------------------------------- environment

core::Status apply_own_variables(Settings& settings, const core::Environment& env) {
  for (const SettingKey& key : setting_keys()) {
    const std::string name = "PFAST_" + std::string(key.variable);
    const auto text = find_env_text(env, name);
    if (!text) continue;
    if (!key.assign(settings, raw_from_text(*text))) {
      return complaint("environment variable " + name, "it must be " + std::string(key.expects) + ", not '" + std::string(*text) +
                                                           "'; change it or run `unset " + name + "`");
    }
    settings.sources[std::string(key.name)] = name;
  }
  if (const auto address = find_env_text(env, "PFAST_ADDRESS")) {
    settings.address = *address;
    settings.sources["address"] = "PFAST_ADDRESS";
  }
  return core::ok_status();
}

// The predecessor's variables, with its rules: what is no number counts as unset, a bad number does not.
class PredecessorVariables {
 public:
  PredecessorVariables(Settings& settings, const core::Environment& env) : settings_(settings), env_(env) {}

  core::Status apply() {
    if (auto applied = apply_workers(); !applied) return applied;
    if (auto applied = apply_ttl(); !applied) return applied;
    apply_text("PYTEST_FAST_ADDRESS", "address", settings_.address);
    apply_text("PYTEST_FAST_MARK", "mark", settings_.mark);
    apply_text("OUTCOME_DUMP", "dump", settings_.dump);
    apply_seconds("PYTEST_FAST_WORKER_HANG_TIMEOUT", "hang-dump", settings_.hang_dump_s);
    apply_seconds("PYTEST_FAST_WATCH_POLL", "watch-poll", settings_.watch_poll_s);
    apply_seconds("PYTEST_FAST_WATCH_DEBOUNCE", "watch-debounce", settings_.watch_debounce_s);
    // As pytest_fast._split_env_list: an empty value is an empty list.
    if (const auto list = find_env(env_, "PYTEST_FAST_WATCH_DIRS")) settings_.watch_dirs = text::split(*list, ",:");
    if (const auto list = find_env(env_, "PYTEST_FAST_WATCH_FILES")) settings_.watch_files = text::split(*list, ",:");
    if (const auto list = find_env_text(env_, "PYTEST_FAST_ENV_PREFIXES")) settings_.env_prefixes = text::split(*list, ",");
    return core::ok_status();
  }

 private:
  core::Status apply_workers() {
    const auto text = find_env_text(env_, "PYTEST_FAST_WORKERS");
    const RawValue value = raw_from_text(text.value_or(""));
    if (!value.integer) return core::ok_status();
    if (*value.integer < 1 || *value.integer > k_max_workers) {
      return complaint("environment variable PYTEST_FAST_WORKERS", "it must be >= 1 and at most " + std::to_string(k_max_workers) +
                                                                       ", got " + std::string(*text) +
                                                                       "; change it or run `unset PYTEST_FAST_WORKERS`");
    }
    settings_.workers = *value.integer;
    settings_.sources["workers"] = "PYTEST_FAST_WORKERS";
    return core::ok_status();
  }

  core::Status apply_ttl() {
    const auto text = find_env_text(env_, "PYTEST_FAST_TTL");
    const RawValue value = raw_from_text(text.value_or(""));
    if (!value.number) return core::ok_status();
    if (!is_positive_time(*value.number)) {
      return complaint("environment variable PYTEST_FAST_TTL", "it must be a finite number of seconds > 0, got " + std::string(*text) +
                                                                   "; change it or run `unset PYTEST_FAST_TTL`");
    }
    settings_.ttl_s = *value.number;
    settings_.sources["ttl"] = "PYTEST_FAST_TTL";
    return core::ok_status();
  }

  void apply_text(const char* name, const char* key, std::string& target) {
    const auto text = find_env_text(env_, name);
    if (!text) return;
    target = *text;
    settings_.sources[key] = name;
  }

  // Aids, not decisions: what makes no sense is as if it were not set.
  void apply_seconds(const char* name, const char* key, double& target) {
    const RawValue value = raw_from_text(find_env_text(env_, name).value_or(""));
    if (!value.number || !is_positive_time(*value.number)) return;
    target = *value.number;
    settings_.sources[key] = name;
  }

  Settings& settings_;
  const core::Environment& env_;
};

}  // namespace

core::Result<Settings> load_settings(const std::string& root, const core::Environment& env) {
  Settings settings;
  auto file = find_file(root);
  if (!file) return std::move(file).error();
  if (file->has_value()) {
    if (auto applied = apply_file(settings, **file); !applied) return std::move(applied).error();
  }
  if (auto applied = apply_own_variables(settings, env); !applied) return std::move(applied).error();
  if (auto applied = PredecessorVariables(settings, env).apply(); !applied) return std::move(applied).error();
  return settings;
}

}  // namespace pf::ctl
