#include <pfctl/terminal_info.hpp>

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include <pfctl/environment.hpp>

namespace pf::ctl {
namespace {

constexpr std::int64_t k_default_columns = 80;
constexpr std::int64_t k_least_columns = 40;        // below, pytest takes 80 too

// shutil.get_terminal_size: a variable that is no positive number counts as not set.
int positive(const core::Environment& env, std::string_view name) {
  const auto text = find_env_text(env, name);
  return text ? std::max(0, std::atoi(std::string(*text).c_str())) : 0;
}

}  // namespace

core::TerminalInfo look_at_terminal(const core::Environment& env, int in, int out, int err) {
  core::TerminalInfo info;
  info.stdin_is_tty = ::isatty(in) == 1;
  info.stdout_is_tty = ::isatty(out) == 1;
  info.stderr_is_tty = ::isatty(err) == 1;
  struct winsize size {};
  if (info.stdout_is_tty && ::ioctl(out, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    info.columns = size.ws_col;
    info.rows = size.ws_row;
  }
  if (const int columns = positive(env, "COLUMNS"); columns > 0) info.columns = columns;
  if (const int rows = positive(env, "LINES"); rows > 0) info.rows = rows;
  if (info.columns < k_least_columns) info.columns = k_default_columns;
  return info;
}

}  // namespace pf::ctl
