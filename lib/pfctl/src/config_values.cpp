#include "config_values.hpp"

#include <charconv>
#include <cmath>
#include <initializer_list>
#include <limits>

#include <pfcore/plan.hpp>

#include "text.hpp"

namespace pf::ctl {
namespace {

constexpr std::int64_t k_most_memory_mib = std::int64_t{1} << 40;
constexpr std::int64_t k_max_retries = 1000;
constexpr std::int64_t k_max_restarts = 1'000'000;
constexpr std::int64_t k_nicest = 19;
constexpr std::int64_t k_most_checkpoints = 100;

// Python takes "1_000": an underscore between digits. nullopt: no number for Python either.
std::optional<std::string> without_underscores(std::string_view text) {
  const auto is_digit = [&](std::size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') out += text[i];
    else if (i == 0 || !is_digit(i - 1) || !is_digit(i + 1)) return std::nullopt;
  }
  return out;
}

template <typename Number>
std::optional<Number> parse_whole(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-") && !text.starts_with("++")) text.remove_prefix(1);
  Number value{};
  const auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), value);
  // Too large for us, but a number: the bound's error is the right one.
  if (err == std::errc::result_out_of_range) value = std::numeric_limits<Number>::max() * (text.starts_with('-') ? Number(-1) : Number(1));
  else if (err != std::errc()) return std::nullopt;
  if (end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool assign_choice(std::string& target, const RawValue& value, std::initializer_list<std::string_view> choices) {
  if (!value.text) return false;
  for (const std::string_view choice : choices) {
    if (*value.text != choice) continue;
    target = choice;
    return true;
  }
  return false;
}

bool assign_session_plugins(Settings& settings, const RawValue& value) {
  if (!value.text) return false;
  settings.session_plugins = text::split(*value.text, ",");
  return true;
}

bool assign_workers(Settings& settings, const RawValue& value) {
  if (value.text && *value.text == "auto") {
    settings.workers = -1;
    return true;
  }
  if (!value.integer || *value.integer < 0 || *value.integer > k_max_workers) return false;
  settings.workers = *value.integer;
  return true;
}

bool assign_dist(Settings& settings, const RawValue& value) {
  if (!value.text || !core::parse_dist(*value.text)) return false;
  settings.dist = *value.text;
  return true;
}

bool assign_ttl(Settings& settings, const RawValue& value) {
  if (!value.number || !is_positive_time(*value.number)) return false;
  settings.ttl_s = *value.number;
  return true;
}

bool assign_boot_timeout(Settings& settings, const RawValue& value) {
  if (!value.number || !is_positive_time(*value.number)) return false;
  settings.boot_timeout_s = *value.number;
  return true;
}

bool assign_timeout(Settings& settings, const RawValue& value) {
  if (!value.number || (*value.number != 0 && !is_positive_time(*value.number))) return false;
  settings.timeout_s = *value.number;
  return true;
}

bool assign_whole(std::int64_t& target, const RawValue& value, std::int64_t most) {
  if (!value.integer || *value.integer < 0 || *value.integer > most) return false;
  target = *value.integer;
  return true;
}

bool assign_memory(Settings& settings, const RawValue& value) {
  return assign_whole(settings.memory_mib, value, k_most_memory_mib);
}

bool assign_retries(Settings& settings, const RawValue& value) {
  return assign_whole(settings.retries, value, k_max_retries);
}

bool assign_retry_delay(Settings& settings, const RawValue& value) {
  if (!value.number || (*value.number != 0 && !is_positive_time(*value.number))) return false;
  settings.retry_delay_s = *value.number;
  return true;
}

bool assign_python(Settings& settings, const RawValue& value) {
  if (!value.text || value.text->empty() || value.text->find('\0') != value.text->npos) return false;
  settings.python = *value.text;
  return true;
}

}  // namespace

bool is_positive_time(double seconds) noexcept {
  constexpr double k_most = 1e9;   // 30 years: converts to any clock's ticks
  return std::isfinite(seconds) && seconds > 0 && seconds <= k_most;
}

RawValue raw_from_text(std::string_view text) {
  RawValue value;
  value.text = std::string(text);
  value.shown = "'" + std::string(text) + "'";
  const auto digits = without_underscores(text::trimmed(text));
  if (!digits || digits->empty()) return value;
  value.integer = parse_whole<std::int64_t>(*digits);
  value.number = parse_whole<double>(*digits);
  return value;
}

const std::vector<SettingKey>& setting_keys() {
  static const std::vector<SettingKey> keys = {
      {"workers", "WORKERS", "\"auto\" or a number from 0 to 4096", assign_workers},
      {"dist", "DIST", "\"auto\", \"load\", \"loadfile\", \"loadscope\", \"loadgroup\" or \"worksteal\"", assign_dist},
      {"reporter", "REPORTER", "\"native\" or \"pytest\"",
       [](Settings& settings, const RawValue& value) { return assign_choice(settings.reporter, value, {"native", "pytest"}); }},
      {"ttl", "TTL", "a number of seconds greater than 0", assign_ttl},
      {"boot-timeout", "BOOT_TIMEOUT", "a number of seconds greater than 0", assign_boot_timeout},
      {"timeout", "TIMEOUT", "a number of seconds, 0 for none", assign_timeout},
      {"retries", "RETRIES", "a number from 0 to 1000", assign_retries},
      {"max-worker-restart", "MAX_WORKER_RESTART", "a number from 0 to 1000000",
       [](Settings& settings, const RawValue& value) { return assign_whole(settings.max_worker_restart, value, k_max_restarts); }},
      {"nice", "NICE", "a number from 0 to 19",
       [](Settings& settings, const RawValue& value) { return assign_whole(settings.nice, value, k_nicest); }},
      {"memory-floor", "MEMORY_FLOOR", "a number of MiB, 0 for none",
       [](Settings& settings, const RawValue& value) { return assign_whole(settings.memory_floor_mib, value, k_most_memory_mib); }},
      {"memory", "MEMORY", "a number of MiB, 0 for half of the machine's", assign_memory},
      {"checkpoints", "CHECKPOINTS", "a number from 0 to 100, 0 for none",
       [](Settings& settings, const RawValue& value) { return assign_whole(settings.checkpoints, value, k_most_checkpoints); }},
      {"retry-delay", "RETRY_DELAY", "a number of seconds, 0 for none", assign_retry_delay},
      {"flaky", "FLAKY", "\"pass\" or \"fail\"",
       [](Settings& settings, const RawValue& value) { return assign_choice(settings.flaky, value, {"pass", "fail"}); }},
      {"scope", "SCOPE", "\"all\" or \"asked\"",
       [](Settings& settings, const RawValue& value) { return assign_choice(settings.scope, value, {"all", "asked"}); }},
      {"start-method", "START_METHOD", "\"forkserver\", \"fork\", \"spawn\" or \"auto\"",
       [](Settings& settings, const RawValue& value) { return assign_choice(settings.start_method, value, {"forkserver", "fork", "spawn", "auto"}); }},
      {"plugin", "PLUGIN", "\"always\" or \"asked\"",
       [](Settings& settings, const RawValue& value) { return assign_choice(settings.plugin, value, {"always", "asked"}); }},
      {"session-plugins", "SESSION_PLUGINS", "names of pytest plugins, with commas between them", assign_session_plugins},
      {"python", "PYTHON", "the path of a Python interpreter or virtual environment", assign_python},
  };
  return keys;
}

}  // namespace pf::ctl
