#include "bench_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

#include <pfcore/unique_fd.hpp>

#include "json_output.hpp"

namespace pf::cli {
namespace {

using Json = nlohmann::ordered_json;
using Durations = std::vector<std::chrono::nanoseconds>;

constexpr int k_format = 1;
constexpr std::size_t k_most_bytes = 256u << 20;

Json numbers_json(const Durations& durations) {
  Json out = Json::array();
  for (const std::chrono::nanoseconds one : durations) out.push_back(one.count());
  return out;
}

core::Result<std::string> read_whole(const std::string& path) {
  const core::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return core::Error::from_errno("read the bench '" + path + "'", errno);
  std::string text;
  for (;;) {
    const std::size_t at = text.size();
    text.resize(at + (64u << 10));
    const ssize_t size = ::read(file.get(), text.data() + at, text.size() - at);
    if (size < 0 && errno != EINTR) return core::Error::from_errno("read the bench '" + path + "'", errno);
    text.resize(at + static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    if (size == 0) return text;
    if (text.size() > k_most_bytes) return core::Error{core::ErrorCode::limit, "read the bench '" + path + "': it is larger than 256 MiB", 0, 0};
  }
}

// Reads the parts of a file; the first thing that is wrong ends it.
class Reader {
 public:
  explicit Reader(std::string path) : path_(std::move(path)) {}

  core::Result<core::BenchRecord> read(const Json& json) {
    core::BenchRecord record;
    if (!json.is_object() || !json.contains("pfast_bench")) return wrong("it has no \"pfast_bench\": `pfast run --bench-save` writes such files");
    if (json["pfast_bench"] != k_format) {
      return wrong("its \"pfast_bench\" is " + json["pfast_bench"].dump(-1, ' ', false, Json::error_handler_t::replace) + ", and this pfast reads " +
                   std::to_string(k_format) + ": save it anew");
    }
    record.pfast = text(json, "pfast");
    record.python = text(json, "python");
    record.workers = count(json, "workers");
    record.processors = count(json, "processors");
    record.walls = durations(json, "walls_ns", "");
    if (!json.contains("tests") || !json["tests"].is_object()) return wrong("its \"tests\" are no object");
    for (const auto& [nodeid, test] : json["tests"].items()) {
      if (!test.is_object()) return wrong("test '" + nodeid + "' is no object");
      record.tests.push_back({nodeid, durations(test, "own_ns", nodeid), durations(test, "cpu_ns", nodeid)});
    }
    if (!problem_.empty()) return wrong(problem_);
    return record;
  }

  [[nodiscard]] core::Error wrong(const std::string& what) const {
    return core::Error{core::ErrorCode::malformed, "read the bench '" + path_ + "': " + what, 0, 0};
  }

 private:
  static std::string text(const Json& json, const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  }

  static std::size_t count(const Json& json, const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_number_unsigned() ? found->get<std::size_t>() : 0;
  }

  Durations durations(const Json& json, const char* key, const std::string& nodeid) {
    Durations out;
    const auto found = json.find(key);
    if (found == json.end() || !found->is_array()) {
      note(key, nodeid, "are no list");
      return out;
    }
    for (const Json& one : *found) {
      const bool fits = one.is_number_integer() && (!one.is_number_unsigned() || one.get<std::uint64_t>() <= std::numeric_limits<std::int64_t>::max());
      if (!fits || one.get<std::int64_t>() < 0) note(key, nodeid, "are not all whole numbers of nanoseconds");
      else out.emplace_back(one.get<std::int64_t>());
    }
    return out;
  }

  void note(const char* key, const std::string& nodeid, const char* what) {
    if (problem_.empty()) problem_ = (nodeid.empty() ? "its \"" : "the \"") + std::string(key) + (nodeid.empty() ? "\" " : "\" of '" + nodeid + "' ") + what;
  }

  std::string path_;
  std::string problem_;
};

}  // namespace

core::Status save_bench(const std::string& path, const core::BenchRecord& record) {
  Json tests = Json::object();
  for (const core::BenchRecord::Test& test : record.tests) {
    tests[test.nodeid] = Json{{"own_ns", numbers_json(test.own)}, {"cpu_ns", numbers_json(test.cpu)}};
  }
  const Json json{{"pfast_bench", k_format}, {"pfast", record.pfast}, {"python", record.python}, {"workers", record.workers},
                  {"processors", record.processors}, {"walls_ns", numbers_json(record.walls)}, {"tests", std::move(tests)}};
  return write_text(path, json.dump(0, ' ', false, Json::error_handler_t::replace) + "\n");
}

core::Result<core::BenchRecord> load_bench(const std::string& path) {
  auto text = read_whole(path);
  if (!text) return std::move(text).error();
  Reader reader(path);
  const Json json = Json::parse(*text, nullptr, false);
  if (json.is_discarded()) return reader.wrong("it is no JSON");
  return reader.read(json);
}

}  // namespace pf::cli
