// doctest with a main of its own: see support.hpp for the temporary directory. Selecting no test at all is an error.
// The last line is "N passed, N failed".
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "support.hpp"

namespace pf::test {
namespace {

std::filesystem::path make_temporary_directory() {
  const char* base = std::getenv("TMPDIR");
  std::string name = std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/pfast-unit-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("failed to make a temporary directory " + name);
  return std::filesystem::canonical(name);
}

struct Totals {
  unsigned selected = 0;
  unsigned failed = 0;
};
Totals totals;

// doctest's own counts, taken where it hands them out.
struct CountingListener : doctest::IReporter {
  explicit CountingListener(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats& stats) override {
    totals = {stats.numTestCasesPassingFilters, stats.numTestCasesFailed};
  }
  void test_case_start(const doctest::TestCaseData&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};
REGISTER_LISTENER("counting", 1, CountingListener);

std::string hex(std::string_view bytes) {
  std::string out;
  char pair[4];
  for (const char byte : bytes.substr(0, 24)) {
    std::snprintf(pair, sizeof pair, "%02x ", static_cast<unsigned>(static_cast<unsigned char>(byte)));
    out += pair;
  }
  return out;
}

}  // namespace

const std::filesystem::path& temporary_directory() {
  static const std::filesystem::path path = make_temporary_directory();
  return path;
}

std::filesystem::path data_directory() { return PF_TEST_DATA; }

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("failed to open " + path.string());
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void write_file(const std::filesystem::path& path, std::string_view content) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  if (!out.flush()) throw std::runtime_error("failed to write " + path.string());
}

std::string compare_golden(const std::filesystem::path& name, std::string_view actual) {
  const std::filesystem::path path = data_directory() / name;
  const char* update = std::getenv("PFAST_UPDATE_GOLDEN");
  if (update != nullptr && *update != '\0') {
    write_file(path, actual);
    return {};
  }
  if (!std::filesystem::exists(path)) return path.string() + " does not exist; PFAST_UPDATE_GOLDEN=1 writes it";
  const std::string expected = read_file(path);
  if (expected == actual) return {};
  const auto [here, there] = std::mismatch(expected.begin(), expected.end(), actual.begin(), actual.end());
  const auto at = static_cast<std::size_t>(here - expected.begin());
  return name.string() + " has " + std::to_string(expected.size()) + " bytes, now there are " + std::to_string(actual.size()) +
         "; they differ from byte " + std::to_string(at) + ": " + hex(std::string_view(expected).substr(at)) + "/ " +
         hex(actual.substr(at));
}

}  // namespace pf::test

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  const std::filesystem::path directory = pf::test::temporary_directory();
  const int code = context.run();
  const pf::test::Totals totals = pf::test::totals;
  const bool query = context.shouldExit();
  const bool good = code == 0 && (query || totals.selected > 0);
  std::error_code ignored;
  if (good) std::filesystem::remove_all(directory, ignored);
  else std::printf("kept %s\n", directory.c_str());
  if (query) return code;
  if (totals.selected == 0) std::printf("no test was selected\n");
  std::printf("%u passed, %u failed\n", totals.selected - totals.failed, totals.failed);
  return good ? 0 : 1;
}
