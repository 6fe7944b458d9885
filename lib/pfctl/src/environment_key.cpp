#include <pfctl/environment_key.hpp>

#include <algorithm>

#include <pfctl/environment.hpp>

#include "text.hpp"

namespace pf::ctl {
namespace {

// A pattern with '*' at its end is a prefix. The first row that fits decides; no row: EnvRule::whole.
struct Row {
  std::string_view pattern;
  EnvRule rule;
  std::string_view why;
};

constexpr std::string_view k_interpreter = "read by the interpreter before os.environ exists";
constexpr std::string_view k_site = "read by a .pth file at the interpreter's start";
constexpr std::string_view k_libc = "read by the C library or the dynamic linker with getenv";
constexpr std::string_view k_native = "read by native libraries with getenv when they are loaded";
constexpr std::string_view k_pytest = "read by pytest before collection";
constexpr std::string_view k_venv = "names the target environment";
constexpr std::string_view k_asked = "the user's own list of prefixes that key";
constexpr std::string_view k_own = "settings of pfast, which have their own ways";
constexpr std::string_view k_path = "the sys.path of a program that called pytest.main; taken out before anything can read it";
constexpr std::string_view k_per_test = "set by pytest itself, test by test";
constexpr std::string_view k_shell = "bookkeeping of the shell";
constexpr std::string_view k_terminal = "describes the terminal; display code reads it again in every run";
constexpr std::string_view k_session = "differs from one login or terminal tab to the next";
constexpr std::string_view k_editor = "where an editor listens to one run, through a plugin that every run imports anew";
constexpr std::string_view k_launcher = "set by launchers for themselves";

constexpr Row k_rows[] = {
    {"PYTHON*", EnvRule::always, k_interpreter},
    {"LANG", EnvRule::always, k_libc},
    {"LANGUAGE", EnvRule::always, k_libc},
    {"LC_TERMINAL*", EnvRule::never, k_terminal},   // iTerm's; no locale
    {"LC_*", EnvRule::always, k_libc},
    {"TZ", EnvRule::always, k_libc},
    {"TZDIR", EnvRule::always, k_libc},
    {"LD_*", EnvRule::always, k_libc},
    {"GCONV_PATH", EnvRule::always, k_libc},
    {"LOCPATH", EnvRule::always, k_libc},
    {"MALLOC_*", EnvRule::always, k_libc},
    {"GLIBC_TUNABLES", EnvRule::always, k_libc},
    {"COVERAGE_PROCESS_*", EnvRule::always, k_site},
    {"COV_CORE_*", EnvRule::always, k_site},
    {"ASAN_OPTIONS", EnvRule::always, k_native},
    {"LSAN_OPTIONS", EnvRule::always, k_native},
    {"UBSAN_OPTIONS", EnvRule::always, k_native},
    {"TSAN_OPTIONS", EnvRule::always, k_native},
    {"OPENSSL_*", EnvRule::always, k_native},
    {"SSL_CERT_*", EnvRule::always, k_native},
    {"OMP_*", EnvRule::always, k_native},
    {"GOMP_*", EnvRule::always, k_native},
    {"KMP_*", EnvRule::always, k_native},
    {"MKL_*", EnvRule::always, k_native},
    {"OPENBLAS_*", EnvRule::always, k_native},
    {"BLIS_*", EnvRule::always, k_native},
    {"NPY_*", EnvRule::always, k_native},
    {"CUDA_*", EnvRule::always, k_native},
    {"XLA_*", EnvRule::always, k_native},
    {"TF_*", EnvRule::always, k_native},
    {"GDAL_*", EnvRule::always, k_native},
    {"PROJ_*", EnvRule::always, k_native},
    {"QT_*", EnvRule::always, k_native},
    {"SDL_*", EnvRule::always, k_native},
    {"PYTEST_ADDOPTS", EnvRule::always, k_pytest},
    {"PYTEST_PLUGINS", EnvRule::always, k_pytest},
    {"PYTEST_DISABLE_PLUGIN_AUTOLOAD", EnvRule::always, k_pytest},
    {"PYTEST_DEBUG", EnvRule::always, k_pytest},
    {"VIRTUAL_ENV", EnvRule::always, k_venv},
    {"PYTEST_FAST_ENV_PREFIXES", EnvRule::always, k_asked},
    {"PYTEST_FAST_*", EnvRule::never, k_own},
    {"_PYTEST_FAST_*", EnvRule::never, k_own},
    {"PFAST_SYS_PATH", EnvRule::always, k_path},
    {"PFAST_*", EnvRule::never, k_own},
    {"OUTCOME_DUMP", EnvRule::never, k_own},
    {"PYTEST_CURRENT_TEST", EnvRule::never, k_per_test},
    {"PYTEST_VERSION", EnvRule::never, k_per_test},
    {"PYTEST_XDIST_*", EnvRule::never, k_per_test},
    {"_", EnvRule::never, k_shell},
    {"PWD", EnvRule::never, k_shell},
    {"OLDPWD", EnvRule::never, k_shell},
    {"SHLVL", EnvRule::never, k_shell},
    {"PS1", EnvRule::never, k_shell},
    {"PS2", EnvRule::never, k_shell},
    {"PROMPT_COMMAND", EnvRule::never, k_shell},
    {"HIST*", EnvRule::never, k_shell},
    {"MAKELEVEL", EnvRule::never, k_shell},
    {"DIRENV_*", EnvRule::never, k_shell},
    {"TERM", EnvRule::never, k_terminal},
    {"TERM_*", EnvRule::never, k_terminal},
    {"TERMINAL_EMULATOR", EnvRule::never, k_terminal},
    {"TERMCAP", EnvRule::never, k_terminal},
    {"COLORTERM", EnvRule::never, k_terminal},
    {"COLORFGBG", EnvRule::never, k_terminal},
    {"LS_COLORS", EnvRule::never, k_terminal},
    {"NO_COLOR", EnvRule::never, k_terminal},
    {"FORCE_COLOR", EnvRule::never, k_terminal},
    {"PY_COLORS", EnvRule::never, k_terminal},
    {"CLICOLOR*", EnvRule::never, k_terminal},
    {"COLUMNS", EnvRule::never, k_terminal},
    {"LINES", EnvRule::never, k_terminal},
    {"VTE_*", EnvRule::never, k_terminal},
    {"KONSOLE_*", EnvRule::never, k_terminal},
    {"GNOME_TERMINAL_*", EnvRule::never, k_terminal},
    {"ALACRITTY_*", EnvRule::never, k_terminal},
    {"KITTY_*", EnvRule::never, k_terminal},
    {"WEZTERM_*", EnvRule::never, k_terminal},
    {"GHOSTTY_*", EnvRule::never, k_terminal},
    {"ITERM_*", EnvRule::never, k_terminal},
    {"WT_*", EnvRule::never, k_terminal},
    {"VSCODE_*", EnvRule::never, k_terminal},
    {"INSIDE_EMACS", EnvRule::never, k_terminal},
    {"TEST_RUN_PIPE", EnvRule::never, k_editor},
    {"RUN_TEST_IDS_PIPE", EnvRule::never, k_editor},
    {"WINDOWID", EnvRule::never, k_session},
    {"WINDOW", EnvRule::never, k_session},
    {"STY", EnvRule::never, k_session},
    {"TMUX*", EnvRule::never, k_session},
    {"ZELLIJ*", EnvRule::never, k_session},
    {"GPG_TTY", EnvRule::never, k_session},
    {"SSH_*", EnvRule::never, k_session},
    {"XDG_SESSION_*", EnvRule::never, k_session},
    {"XDG_VTNR", EnvRule::never, k_session},
    {"XDG_SEAT*", EnvRule::never, k_session},
    {"DESKTOP_STARTUP_ID", EnvRule::never, k_session},
    {"XDG_ACTIVATION_TOKEN", EnvRule::never, k_session},
    {"INVOCATION_ID", EnvRule::never, k_session},
    {"JOURNAL_STREAM", EnvRule::never, k_session},
    {"SYSTEMD_EXEC_PID", EnvRule::never, k_session},
    {"MEMORY_PRESSURE_*", EnvRule::never, k_session},
    {"PYENV_DIR", EnvRule::never, k_launcher},
    {"PYENV_HOOK_PATH", EnvRule::never, k_launcher},
    {"UV_RUN_RECURSION_DEPTH", EnvRule::never, k_launcher},
};

bool fits(std::string_view pattern, std::string_view name) noexcept {
  if (!pattern.ends_with('*')) return pattern == name;
  return name.starts_with(pattern.substr(0, pattern.size() - 1));
}

// getenv's view: sorted by name, the first of several entries wins.
core::Environment sorted(const core::Environment& env) {
  core::Environment out = env;
  const auto by_name = [](const auto& a, const auto& b) { return a.first < b.first; };
  const auto same_name = [](const auto& a, const auto& b) { return a.first == b.first; };
  std::stable_sort(out.begin(), out.end(), by_name);
  out.erase(std::unique(out.begin(), out.end(), same_name), out.end());
  return out;
}

std::string say(const std::string& name, std::string_view what) {
  return "environment: " + name + " " + std::string(what);
}

}  // namespace

EnvRule env_rule(std::string_view name) noexcept {
  for (const Row& row : k_rows) {
    if (fits(row.pattern, name)) return row.rule;
  }
  return EnvRule::whole;
}

EnvironmentKey::EnvironmentKey(const core::Environment& boot, const core::BootReady& ready)
    : any_(false),
      whole_(ready.env_read_whole),
      read_by_name_(ready.env_absent),
      prefixes_(text::split(find_env(boot, "PYTEST_FAST_ENV_PREFIXES").value_or(""), ",")) {
  for (const auto& entry : ready.env_read) read_by_name_.push_back(entry.first);
  std::sort(read_by_name_.begin(), read_by_name_.end());
  for (auto& entry : sorted(boot)) {
    if (keys(entry.first)) values_.push_back(std::move(entry));
  }
}

bool EnvironmentKey::keys(std::string_view name) const noexcept {
  if (std::binary_search(read_by_name_.begin(), read_by_name_.end(), name)) return true;
  const EnvRule rule = env_rule(name);
  if (rule == EnvRule::always || (rule == EnvRule::whole && whole_)) return true;
  return std::any_of(prefixes_.begin(), prefixes_.end(), [name](const std::string& prefix) { return name.starts_with(prefix); });
}

std::vector<std::string> EnvironmentKey::names() const {
  std::vector<std::string> out;
  for (const auto& entry : values_) out.push_back(entry.first);
  return out;
}

std::optional<std::string> EnvironmentKey::change(const core::Environment& client) const {
  if (any_) return std::nullopt;
  const core::Environment now = sorted(client);
  auto old = values_.begin();
  for (const auto& [name, value] : now) {
    if (old != values_.end() && old->first < name) return say(old->first, "was removed");
    if (old != values_.end() && old->first == name) {
      if (old->second != value) return say(name, "changed");
      ++old;
    } else if (keys(name)) {
      return say(name, "was added");
    }
  }
  if (old != values_.end()) return say(old->first, "was removed");
  return std::nullopt;
}

}  // namespace pf::ctl
