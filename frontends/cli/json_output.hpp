// Machine-readable files: --dump and --events. The one place, with cmd_status.cpp, cmd_list.cpp and the doctor, that writes JSON.
#pragma once

#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include <pfcore/messages.hpp>
#include <pfcore/result.hpp>
#include <pfcore/value.hpp>

namespace pf::cli {

using Outcomes = std::map<std::string, std::string>;   // node id -> one of the predecessor's six words

// {node id: outcome} as the predecessor's --dump writes it. To a temporary file that is renamed, so that no reader sees
// half of it; straight to what is no regular file (a device, a pipe); "-" is stdout. Errors: system.
[[nodiscard]] core::Status write_dump(const std::string& path, const Outcomes& outcomes);

// One JSON object a line, {"v": 1, "type": …, every field of the message}. Bytes become text, invalid UTF-8 replaced.
class EventWriter {
 public:
  EventWriter() = default;
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;
  ~EventWriter();
  // "-" is stdout. Errors: system.
  [[nodiscard]] core::Status open(const std::string& path);
  void write(const core::Value& event);
  // Errors: system, when any write failed: the file is not whole.
  [[nodiscard]] core::Status close();

 private:
  void note_failure();

  std::string path_;
  std::FILE* file_ = nullptr;
  int failure_ = 0;                // errno of the first failed write
};

}  // namespace pf::cli
