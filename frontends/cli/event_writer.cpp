#include "event_writer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include <pfcore/frame.hpp>
#include <pfcore/pickle_reader.hpp>
#include <pfcore/short_report.hpp>

#include "terminal.hpp"

namespace pf::cli {
namespace {

// Stands in JSON as it is. Without an early end, so that many characters are looked at at once.
bool is_plain(std::string_view text) noexcept {
  bool plain = true;
  for (const char c : text) plain &= c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
  return plain;
}

// Writes values as JSON text, without a tree of them: a run has an event an item. What the library is for is escaping.
class JsonText {
 public:
  // Sticks to both bounds: a suite's own values may be nested without end, or name one text a million times.
  static constexpr int k_most_depth = 600;
  static constexpr std::size_t k_most_bytes = std::size_t{1} << 30;

  explicit JsonText(std::string& text) : text_(text), begin_(text.size()) {}

  [[nodiscard]] bool whole() const noexcept { return whole_; }
  [[nodiscard]] std::string& text() noexcept { return text_; }

  void put_string(std::string_view text) {
    if (is_plain(text)) {
      const std::size_t at = text_.size();
      text_.resize(at + text.size() + 2);
      char* const out = text_.data() + at;
      out[0] = '"';
      std::memcpy(out + 1, text.data(), text.size());
      out[1 + text.size()] = '"';
    } else {
      text_ += nlohmann::json(std::string(text)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    }
  }

  void put_key(std::string_view key) {
    if (text_.back() != '{') text_ += ',';
    put_string(key);
    text_ += ':';
  }

  void put(const core::Value& value, int depth = 0) {
    if (depth > k_most_depth || text_.size() - begin_ > k_most_bytes) whole_ = false;
    if (!whole_) return;
    switch (value.kind()) {
      case core::Kind::boolean: text_ += *value.as_bool() ? "true" : "false"; return;
      case core::Kind::integer: put_integer(*value.as_int()); return;
      case core::Kind::floating: put_number(*value.as_float()); return;
      case core::Kind::str: put_string(*value.as_str()); return;
      case core::Kind::bytes:
      case core::Kind::bytearray: put_string(*value.as_bytes()); return;
      case core::Kind::dict: put_dict(value, depth); return;
      case core::Kind::list:
      case core::Kind::tuple:
      case core::Kind::set:
      case core::Kind::frozenset: put_list(value, depth); return;
      default: text_ += "null";
    }
  }

  // Takes back what was put since the text had `size` bytes, and that it was not whole.
  void cut(std::size_t size) {
    text_.resize(size);
    whole_ = true;
  }

 private:
  void put_integer(std::int64_t number) {
    std::array<char, 24> digits{};
    text_.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
  }

  void put_number(double number) {
    if (!std::isfinite(number)) {
      text_ += "null";
      return;
    }
    const auto bits = std::bit_cast<std::uint64_t>(number);
    for (const Number& known : numbers_) {
      if (known.size > 0 && known.bits == bits) {
        text_.append(known.digits.data(), known.size);
        return;
      }
    }
    Number& made = numbers_[next_number_++ % numbers_.size()];
    made.bits = bits;
    char* end = std::to_chars(made.digits.data(), made.digits.data() + k_most_digits, number).ptr;
    // Only a whole number may lack both point and exponent.
    if (number == std::trunc(number) && std::none_of(made.digits.data(), end, [](char c) { return c == '.' || c == 'e'; })) end = std::copy_n(".0", 2, end);
    made.size = static_cast<std::uint8_t>(end - made.digits.data());
    text_.append(made.digits.data(), made.size);
  }

  void put_list(const core::Value& list, int depth) {
    text_ += '[';
    bool first = true;
    for (const core::Value& item : list.items()) {
      if (!first) text_ += ',';
      first = false;
      put(item, depth + 1);
    }
    text_ += ']';
  }

  // Keys that are no text cannot be in JSON.
  void put_dict(const core::Value& dict, int depth) {
    text_ += '{';
    for (const core::DictEntry& entry : dict.entries()) {
      const auto key = entry.key.as_str();
      if (!key || !whole_) continue;
      put_key(*key);
      put(entry.value, depth + 1);
    }
    text_ += '}';
  }

  // Numbers as they were written last: a phase's times are told again by pytest's report of it.
  static constexpr std::size_t k_most_digits = 32;
  struct Number {
    std::uint64_t bits;
    std::uint8_t size = 0;   // 0: none yet
    std::array<char, k_most_digits + 2> digits;
  };

  std::string& text_;
  std::size_t begin_;
  bool whole_ = true;
  std::size_t next_number_ = 0;
  std::array<Number, 10> numbers_;
};

// PROTOCOL.md, "Phase": of a test that passed and has nothing to tell, a phase is (when, duration_s, cpu_s, start_s).
// Readers of --events see one form.
void put_phase(JsonText& out, const core::Value& phase) {
  constexpr std::array<std::string_view, 3> k_times{"duration_s", "cpu_s", "start_s"};
  const auto items = phase.items();
  if (phase.kind() != core::Kind::tuple || items.size() <= k_times.size()) {
    out.put(phase);
    return;
  }
  out.text() += '{';
  out.put_key("when");
  out.put(items[0]);
  out.put_key("outcome");
  out.put_string("passed");
  for (std::size_t i = 0; i < k_times.size(); ++i) {
    out.put_key(k_times[i]);
    out.put(items[i + 1]);
  }
  if (items.size() > 1 + k_times.size()) {
    out.put_key("queued_s");
    out.put(items[1 + k_times.size()]);
  }
  if (items[0].as_str() == "call") out.text() += R"(,"category":"passed","letter":".","word":"PASSED")";
  out.text() += '}';
}

// "u32s" of PROTOCOL.md, as numbers.
void put_words(JsonText& out, std::string_view words) {
  out.text() += '[';
  for (std::size_t at = 0; at + 4 <= words.size(); at += 4) {
    std::uint32_t word = 0;
    for (std::size_t i = 4; i-- > 0;) word = word << 8 | static_cast<std::uint8_t>(words[at + i]);
    if (at > 0) out.text() += ',';
    out.text() += std::to_string(word);
  }
  out.text() += ']';
}

// The reports of one item. Of one in the short form the first one's text is repeated, with other values in four places.
class ReportTexts {
 public:
  explicit ReportTexts(JsonText& out) : out_(out) {}

  // null where a report holds what only Python can read, or is nested without end.
  void put(const core::Value& blob) {
    if (!out_.whole()) return;
    const std::size_t before = out_.text().size();
    const auto document = core::decode_pickle(blob.as_bytes().value_or(""), core::Limits::result(), core::Texts::borrowed);
    if (document && put_document(document->root())) {
      if (out_.whole()) return;
      out_.cut(before);
    }
    out_.text() += "null";
  }

 private:
  // A value of the first report that a short form replaces: from and to, in the text.
  struct Gap {
    std::size_t begin;
    std::size_t end;
    std::size_t place;
  };

  bool put_document(const core::Value& report) {
    if (core::is_short_report(report) && end_ > begin_) return put_short(report), true;
    if (report.kind() != core::Kind::dict) return false;
    if (is_first_) put_first(report);
    else out_.put(report);
    return true;
  }

  void put_first(const core::Value& report) {
    is_first_ = false;
    begin_ = out_.text().size();
    out_.text() += '{';
    for (const core::DictEntry& entry : report.entries()) {
      const auto key = entry.key.as_str();
      if (!key) continue;
      out_.put_key(*key);
      const std::size_t at = out_.text().size();
      out_.put(entry.value, 1);
      const auto place = core::short_report_place(*key);
      if (place && count_ < gaps_.size()) gaps_[count_++] = {at, out_.text().size(), *place};
    }
    out_.text() += '}';
    end_ = out_.whole() ? out_.text().size() : begin_;
  }

  void put_short(const core::Value& report) {
    std::size_t copied = begin_;
    for (const Gap& gap : std::span(gaps_).first(count_)) {
      repeat(copied, gap.begin);
      out_.put(report.items()[gap.place], 1);
      copied = gap.end;
    }
    repeat(copied, end_);
  }

  void repeat(std::size_t begin, std::size_t end) { out_.text().append(out_.text(), begin, end - begin); }

  JsonText& out_;
  // The first report in the text; nothing where it could not be put.
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::array<Gap, core::k_short_report_fields.size()> gaps_{};
  std::size_t count_ = 0;
  bool is_first_ = true;
};

template <typename Put>
void put_list_of(JsonText& out, const core::Value& list, Put put) {
  out.text() += '[';
  bool first = true;
  for (const core::Value& item : list.items()) {
    if (!first) out.text() += ',';
    first = false;
    put(out, item);
  }
  out.text() += ']';
}

core::Error write_error(const std::string& path, int err) { return core::Error::from_errno("write '" + path + "'", err); }

void put_event(JsonText& out, const core::Value& event) {
  out.text() += R"({"v":1)";
  for (const core::DictEntry& entry : event.entries()) {
    const auto key = entry.key.as_str();
    if (!key) continue;
    if (*key == "opaque" && entry.value.as_bytes()) continue;   // a warning's: for the controller's hooks alone
    out.put_key(*key == "opaque" ? "reports" : *key);
    if (*key == "phases") put_list_of(out, entry.value, put_phase);
    else if (*key == "opaque") put_list_of(out, entry.value, [reports = ReportTexts(out)](JsonText&, const core::Value& blob) mutable { reports.put(blob); });
    else if (*key == "groups" && entry.value.as_bytes()) put_words(out, *entry.value.as_bytes());
    else out.put(entry.value);
  }
  out.text() += '}';
}

}  // namespace

std::string event_line(const core::Value& event) {
  std::string text;
  JsonText out(text);
  put_event(out, event);
  return text;
}

EventWriter::~EventWriter() { (void)close(); }

core::Status EventWriter::open(const std::string& path) {
  constexpr mode_t k_mode = 0666;   // less the umask
  path_ = path == "-" ? "stdout" : path;
  file_ = core::UniqueFd(path == "-" ? ::fcntl(1, F_DUPFD_CLOEXEC, 3) : ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, k_mode));
  if (!file_.valid()) return write_error(path_, errno);
  return core::ok_status();
}

void EventWriter::write(const core::Value& event) {
  constexpr std::size_t k_write_bytes = 64u << 10;
  if (!file_.valid()) return;
  if (!oldest_) oldest_ = Clock::now();
  JsonText out(unwritten_);
  put_event(out, event);
  unwritten_ += '\n';
  if (unwritten_.size() >= k_write_bytes) flush();
}

void EventWriter::flush() {
  errno = 0;
  if (!write_to(file_.get(), unwritten_) && failure_ == 0) failure_ = errno != 0 ? errno : EIO;
  unwritten_.clear();
  oldest_.reset();
}

std::optional<std::chrono::milliseconds> EventWriter::flush_when_due() {
  if (!file_.valid() || !oldest_) return std::nullopt;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*oldest_ + k_most_delay - Clock::now());
  if (left.count() > 0) return left;
  flush();
  return std::nullopt;
}

core::Status EventWriter::close() {
  if (file_.valid()) {
    flush();
    errno = 0;
    if (::close(file_.release()) != 0 && failure_ == 0) failure_ = errno;   // a network file system may say only now what it could not write
  }
  if (failure_ == 0) return core::ok_status();
  return write_error(path_, failure_);
}

}  // namespace pf::cli
