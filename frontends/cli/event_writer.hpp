// --events: one JSON object a line for every event of a run. lib/pfcore/events.schema.json is its form.
#pragma once

#include <cstdio>
#include <string>

#include <pfcore/result.hpp>
#include <pfcore/value.hpp>

namespace pf::cli {

// {"v": 1, "type": …, every field of the message}, without a line break. Bytes become text, invalid UTF-8 replaced; pytest's
// serialised reports (--full-report) become objects under "reports".
[[nodiscard]] std::string event_line(const core::Value& event);

class EventWriter {
 public:
  EventWriter() = default;
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;
  ~EventWriter();
  // "-" is stdout. Errors: system.
  [[nodiscard]] core::Status open(const std::string& path);
  void write(const core::Value& event);
  // What was written can be read. To be called before waiting for more.
  void flush();
  // Errors: system, when any write failed: the file is not whole.
  [[nodiscard]] core::Status close();

 private:
  void note_failure();

  std::string path_;
  std::FILE* file_ = nullptr;
  bool unflushed_ = false;
  int failure_ = 0;                // errno of the first failed write
};

}  // namespace pf::cli
