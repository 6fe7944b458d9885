#include "v1_report.hpp"

#include <pfcore/pickle_reader.hpp>
#include <pfcore/pickle_writer.hpp>

namespace pf::ctl {
namespace {

constexpr std::string_view k_own_keys = "$pfast_";

bool is_own(const core::Value& key) { return key.as_str().value_or("").starts_with(k_own_keys); }

// (path, line, name) as pytest shows it. The line is not known.
void put_location(core::PickleWriter& writer, std::string_view nodeid) {
  const std::size_t path_end = std::min(nodeid.find("::"), nodeid.size());
  const std::size_t name_begin = std::min(path_end + 2, nodeid.size());
  writer.begin_tuple();
  writer.str(nodeid.substr(0, path_end));
  writer.none();
  writer.str(name_begin < nodeid.size() ? nodeid.substr(name_begin) : nodeid);
  writer.end_tuple();
}

}  // namespace

core::Result<std::string> v1_report(std::string_view opaque) {
  const auto document = core::decode_pickle(opaque, core::Limits::result(), core::Texts::borrowed);
  if (!document) return document.error();
  const core::Value& report = document->root();
  if (report.kind() != core::Kind::dict) return core::Error{core::ErrorCode::malformed, "read a serialised report: it is no dict", 0, 0};
  core::PickleWriter writer;
  writer.begin_dict();
  writer.str("report");
  writer.begin_dict();
  for (const core::DictEntry& entry : report.entries()) {
    if (is_own(entry.key)) continue;
    writer.value(entry.key);
    writer.value(entry.value);
  }
  writer.end_dict();
  writer.end_dict();
  return writer.finish();
}

std::string v1_report(std::string_view nodeid, const core::PhaseReport& phase) {
  core::PickleWriter writer;
  writer.begin_dict();
  writer.str("report");
  writer.begin_dict();
  writer.field("nodeid", nodeid);
  writer.str("location");
  put_location(writer, nodeid);
  writer.str("keywords");
  writer.begin_dict();
  writer.end_dict();
  writer.field("outcome", phase.outcome);
  writer.str("longrepr");
  if (phase.longrepr.empty()) writer.none();
  else writer.str(phase.longrepr);
  writer.field("when", phase.when);
  writer.str("sections");
  writer.begin_list();
  for (const auto& [title, content] : phase.sections) {
    writer.begin_tuple();
    writer.str(title);
    writer.str(content);
    writer.end_tuple();
  }
  writer.end_list();
  writer.str("user_properties");
  writer.begin_list();
  writer.end_list();
  writer.field("duration", phase.duration_s);
  writer.field("start", phase.start_s);
  writer.field("stop", phase.start_s + phase.duration_s);
  writer.field("$report_type", "TestReport");
  writer.end_dict();
  writer.end_dict();
  return writer.finish();
}

}  // namespace pf::ctl
