#include "v1_report.hpp"

#include <utility>

#include <pfcore/pickle_writer.hpp>
#include <pfcore/short_report.hpp>

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

std::string report_of(const core::Value& fields, const core::Value* replaced) {
  core::PickleWriter writer;
  writer.begin_dict();
  writer.str("report");
  writer.begin_dict();
  for (const core::DictEntry& entry : fields.entries()) {
    if (is_own(entry.key)) continue;
    const auto place = replaced != nullptr ? core::short_report_place(entry.key.as_str().value_or("")) : std::nullopt;
    writer.value(entry.key);
    writer.value(place ? replaced->items()[*place] : entry.value);
  }
  writer.end_dict();
  writer.end_dict();
  return writer.finish();
}

}  // namespace

core::Result<std::string> V1Reports::next(std::string_view opaque) {
  auto document = core::decode_pickle(opaque, core::Limits::result(), core::Texts::borrowed);
  if (!document) return std::move(document).error();
  const bool is_first = std::exchange(is_first_, false);
  if (core::is_short_report(document->root()) && first_.root().kind() == core::Kind::dict) return report_of(first_.root(), &document->root());
  if (document->root().kind() != core::Kind::dict) return core::Error{core::ErrorCode::malformed, "read a serialised report: it is no dict", 0, 0};
  std::string report = report_of(document->root(), nullptr);
  if (is_first) first_ = std::move(*document);
  return report;
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
