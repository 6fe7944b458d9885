#include "event_writer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <pfcore/frame.hpp>
#include <pfcore/pickle_reader.hpp>
#include <pfcore/short_report.hpp>

#include "terminal.hpp"

namespace pf::cli {
namespace {

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
      out_.text().repeat(copied, gap.begin);
      out_.put(report.items()[gap.place], 1);
      copied = gap.end;
    }
    out_.text().repeat(copied, end_);
  }

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
  if (!write_to(file_.get(), unwritten_.view()) && failure_ == 0) failure_ = errno != 0 ? errno : EIO;
  unwritten_.truncate(0);
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
