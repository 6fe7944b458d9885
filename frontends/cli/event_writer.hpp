// --events: one JSON object a line for every event of a run. lib/pfcore/events.schema.json is its form.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <pfcore/result.hpp>
#include <pfcore/unique_fd.hpp>
#include <pfcore/value.hpp>

#include "json_text.hpp"

namespace pf::cli {

class EventWriter {
 public:
  EventWriter() = default;
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;
  ~EventWriter();
  // "-" is stdout. Errors: system.
  [[nodiscard]] core::Status open(const std::string& path);
  // {"v": 1, "type": …, every field of the message}, without a line break. Bytes become text, invalid UTF-8 replaced; pytest's
  // serialised reports (--full-report) become objects under "reports".
  void write(const core::Value& event);
  // Every event can be read k_most_delay after it was written: to be called before waiting for more, which is not to take
  // longer than this says. A write to the file for every event would cost a run as much as all the rest of --events.
  [[nodiscard]] std::optional<std::chrono::milliseconds> flush_when_due();
  // Errors: system, when any write failed: the file is not whole.
  [[nodiscard]] core::Status close();

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds k_most_delay{50};

  void flush();

  std::string path_;
  core::UniqueFd file_;
  TextBuffer unwritten_;
  std::optional<Clock::time_point> oldest_;   // event that is not in the file yet
  int failure_ = 0;                // errno of the first failed write
};

}  // namespace pf::cli
