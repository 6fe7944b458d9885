#include "run_facts.hpp"

#include <algorithm>
#include <string>

#include <nlohmann/json.hpp>

namespace pf::watch {
namespace {

using Json = nlohmann::json;

void note(ctl::RunFacts& facts, const Json& event) {
  const std::string type = event.value("type", "");
  if (type == "collected") {
    facts.collected = true;
    facts.deselected = event.value("deselected", std::int64_t{0});
    if (const auto text = event.find("text"); text != event.end() && text->is_object()) facts.rootdir = text->value("rootdir", "");
  } else if (type == "result") {
    const std::string outcome = event.value("outcome", "");
    if (outcome == "rerun") return;
    const bool failed = outcome == "failed" || outcome == "error";
    (failed ? facts.failed : facts.passed).insert(event.value("nodeid", ""));
  }
}

}  // namespace

ctl::RunFacts read_events(std::string_view lines) {
  ctl::RunFacts facts;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const Json event = Json::parse(lines.substr(0, end), nullptr, false);
    if (event.is_object()) note(facts, event);
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return facts;
}

}  // namespace pf::watch
