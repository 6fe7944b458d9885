// Merges the result streams of several shards into one JUnit file and one summary.
//
//   report-merge OUT.xml SHARD...
//
// A shard is a stream of protocol 2 frames as a daemon sent it to its client, captured from a socket; whatever is no result is
// passed over. A node id that several shards report counts once, with its worst outcome: a test that failed anywhere has
// failed. The exit code is pytest's: 0 when all passed, 1 when something failed, 5 when there was no result; 2 when a shard
// could not be read to its end, whatever the others say.
#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>

#include <pugixml.hpp>

#include <pfcore/frame.hpp>
#include <pfcore/messages.hpp>
#include <pfcore/pickle_reader.hpp>

using namespace pf::core;

namespace {

// From harmless to bad.
constexpr std::array<std::string_view, 6> k_outcomes = {"passed", "xpassed", "xfailed", "skipped", "failed", "error"};

std::size_t badness(std::string_view outcome) {
  return static_cast<std::size_t>(std::find(k_outcomes.begin(), k_outcomes.end(), outcome) - k_outcomes.begin());
}

using Results = std::map<std::string, ItemResult>;

void take(Results& results, ItemResult result) {
  if (result.outcome == "rerun") return;       // another try follows
  const auto [known, is_new] = results.try_emplace(result.nodeid, result);
  if (!is_new && badness(result.outcome) > badness(known->second.outcome)) known->second = std::move(result);
}

// False, and the reason on stderr, when the shard cannot be read to its end.
bool read_shard(const std::string& name, Results& results) {
  std::ifstream file(name, std::ios::binary);
  if (!file) {
    std::cerr << name << ": cannot be read\n";
    return false;
  }
  FrameReader reader;
  reader.feed(std::string(std::istreambuf_iterator<char>(file), {}));
  for (;;) {
    const auto payload = reader.next();
    if (!payload) {
      std::cerr << name << ": " << payload.error().message << '\n';
      return false;
    }
    if (!payload->has_value()) break;
    const auto document = decode_pickle(**payload, Limits::result(), Texts::borrowed);
    if (!document) {
      std::cerr << name << ": a frame does not decode: " << document.error().message << '\n';
      return false;
    }
    if (message_type(document->root()) != ItemResult::k_type) continue;
    auto result = decode_as<ItemResult>(document->root());
    if (!result) {
      std::cerr << name << ": a result is malformed: " << result.error().message << '\n';
      return false;
    }
    take(results, std::move(result).value());
  }
  if (reader.pending_bytes() > 0) std::cerr << name << ": the stream ends within a frame\n";
  return reader.pending_bytes() == 0;
}

double duration_s(const ItemResult& result) {
  double sum = 0;
  for (const PhaseReport& phase : result.phases) sum += phase.duration_s;
  return sum;
}

// The report that gave the item its outcome; the last one when none did by itself.
const PhaseReport* telling_phase(const ItemResult& result) {
  for (const PhaseReport& phase : result.phases) {
    if (phase.outcome != "passed") return &phase;
  }
  return result.phases.empty() ? nullptr : &result.phases.back();
}

// "tests/test_a.py::TestB::test_c[1]" is class "tests.test_a.TestB", name "test_c[1]", as pytest's own JUnit files have it.
std::pair<std::string, std::string> class_and_name(const std::string& nodeid) {
  const std::size_t bracket = nodeid.find('[');
  const std::size_t split = nodeid.substr(0, bracket).rfind("::");
  std::string place = split == std::string::npos ? "" : nodeid.substr(0, split);
  if (const std::size_t suffix = place.find(".py"); suffix != std::string::npos) place.erase(suffix, 3);
  std::string dotted;
  for (const char c : place) {
    if (c == '/') dotted += '.';
    else if (c != ':' || dotted.empty() || dotted.back() != '.') dotted += c == ':' ? '.' : c;
  }
  return {dotted, split == std::string::npos ? nodeid : nodeid.substr(split + 2)};
}

void add_case(pugi::xml_node suite, const ItemResult& result) {
  const auto [place, name] = class_and_name(result.nodeid);
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.3f", duration_s(result));
  pugi::xml_node node = suite.append_child("testcase");
  node.append_attribute("classname") = place.c_str();
  node.append_attribute("name") = name.c_str();
  node.append_attribute("time") = seconds;
  const PhaseReport* phase = telling_phase(result);
  const char* tag = result.outcome == "failed" ? "failure" : result.outcome == "error" ? "error"
                  : result.outcome == "skipped" || result.outcome == "xfailed" ? "skipped" : nullptr;
  if (tag == nullptr || phase == nullptr) return;
  pugi::xml_node verdict = node.append_child(tag);
  verdict.append_attribute("message") = phase->reason.c_str();
  if (!phase->longrepr.empty()) verdict.text() = phase->longrepr.c_str();
}

std::string summary(const std::map<std::string, int>& counts) {
  std::string out;
  for (auto outcome = k_outcomes.rbegin(); outcome != k_outcomes.rend(); ++outcome) {
    const auto found = counts.find(std::string(*outcome));
    if (found == counts.end()) continue;
    out += (out.empty() ? "" : ", ") + std::to_string(found->second) + " " + found->first;
  }
  return out.empty() ? "no tests ran" : out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: report-merge OUT.xml SHARD...\n";
    return 4;
  }
  Results results;
  bool whole = true;
  for (int i = 2; i < argc; ++i) whole = read_shard(argv[i], results) && whole;

  std::map<std::string, int> counts;
  pugi::xml_document document;
  pugi::xml_node suite = document.append_child("testsuites").append_child("testsuite");
  double seconds = 0;
  for (const auto& [nodeid, result] : results) {
    ++counts[result.outcome];
    seconds += duration_s(result);
    add_case(suite, result);
  }
  suite.append_attribute("name") = "pytest";
  suite.append_attribute("tests") = static_cast<unsigned>(results.size());
  suite.append_attribute("failures") = counts.contains("failed") ? counts["failed"] : 0;
  suite.append_attribute("errors") = counts.contains("error") ? counts["error"] : 0;
  suite.append_attribute("skipped") = (counts.contains("skipped") ? counts["skipped"] : 0) + (counts.contains("xfailed") ? counts["xfailed"] : 0);
  suite.append_attribute("time") = seconds;
  if (!document.save_file(argv[1], "  ")) {
    std::cerr << argv[1] << ": cannot be written\n";
    return 2;
  }
  std::cout << summary(counts) << '\n';
  if (!whole) return 2;
  if (results.empty()) return 5;
  return counts.contains("failed") || counts.contains("error") ? 1 : 0;
}
