#include "terminal.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <pfcore/text_report.hpp>
#include <pfctl/environment.hpp>

namespace pf::cli {
namespace {

constexpr std::string_view k_erase_rest = "\x1b[K";
constexpr std::string_view k_erase_line = "\r\x1b[K";

bool is_set(const core::Environment& env, std::string_view name) { return ctl::find_env_text(env, name).has_value(); }

std::size_t code_point_bytes(std::string_view text) {
  std::size_t end = 1;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0u) == 0x80u) ++end;
  return end;
}

}  // namespace

bool wants_color(const core::Environment& env, std::string_view color_option, bool is_terminal) {
  if (color_option == "yes") return true;
  if (color_option == "no") return false;
  const std::string_view py_colors = ctl::find_env(env, "PY_COLORS").value_or("");
  if (py_colors == "1") return true;
  if (py_colors == "0" || is_set(env, "NO_COLOR")) return false;
  if (is_set(env, "FORCE_COLOR")) return true;
  return is_terminal && ctl::find_env(env, "TERM").value_or("") != "dumb";
}

bool write_to(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return false;
    struct pollfd writable {fd, POLLOUT, 0};
    (void)::poll(&writable, 1, -1);
  }
  return true;
}

std::string fitting(std::string_view text, int columns) {
  std::string out;
  std::size_t used = 0;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, code_point_bytes(text));
    const bool is_control = static_cast<unsigned char>(one.front()) < 0x20 || one.front() == '\x7f';
    const std::size_t width = is_control ? 1 : core::text_columns(one);
    if (used + width > static_cast<std::size_t>(std::max(columns, 0))) break;
    out += is_control ? std::string_view("?") : one;
    used += width;
    text.remove_prefix(one.size());
  }
  return out;
}

std::chrono::milliseconds LiveLine::due_in() const {
  return std::chrono::ceil<std::chrono::milliseconds>(drawn_at_ + k_interval - Clock::now());
}

void LiveLine::show(std::string_view text, int columns) {
  if (!enabled_ || due_in().count() > 0) return;
  // The last column stays free: a terminal may wrap behind it. Written over and then cut off, so that nothing flickers.
  unwritten_.append("\r").append(fitting(text, columns - 1)).append(k_erase_rest);
  flush();
  shown_ = true;
  drawn_at_ = Clock::now();
}

void LiveLine::erase() {
  if (shown_) unwritten_ += k_erase_line;
  shown_ = false;
}

void LiveLine::flush() {
  if (unwritten_.empty()) return;
  write_to(fd_, unwritten_);
  unwritten_.clear();
}

void LiveLine::clear() {
  erase();
  flush();
}

void LiveLine::close() {
  clear();
  enabled_ = false;
}

void LiveLine::print(std::string_view text) {
  constexpr std::size_t k_most_kept_bytes = 64u << 10;
  erase();
  unwritten_ += text;
  if (unwritten_.size() > k_most_kept_bytes) flush();
}

}  // namespace pf::cli
