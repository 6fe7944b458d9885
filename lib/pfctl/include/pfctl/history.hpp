// What earlier runs of a suite measured: how long each test takes, what its shared fixtures cost, how it ended. Values
// only; history_store.hpp keeps them in a file.
//
// Times are exponential means: a new measurement counts for a third, and the first ones for as much as those before them.
// Set-up and the rest are apart, since a test that comes first in its worker also sets up what others only use.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>

#include <pfcore/result.hpp>

namespace pf::ctl {

inline constexpr float k_unknown_s = std::numeric_limits<float>::quiet_NaN();

struct TestRecord {
  float call_s = k_unknown_s;     // call, and the teardown of what is the test's own
  float setup_s = k_unknown_s;    // set-up of what is the test's own
  float shared_s = k_unknown_s;   // set-up and teardown of what it shares with its neighbours, when it came first
  std::uint32_t outcomes = 0;     // of the last 32 runs, the newest in bit 0; 1 = failed
  std::uint32_t day = 0;          // of the last run: days since the epoch
  std::uint16_t runs = 0;         // measured; stops at 65,535
  std::uint16_t flaky = 0;        // runs in which it passed after it had failed; stops at 65,535
  bool setup_is_bound = false;    // the test came first in a worker: the session's fixtures are in that time
  bool shared_is_bound = false;
  bool operator==(const TestRecord&) const = default;
};

class History {
 public:
  // More are not kept: those that ran last stay.
  static constexpr std::size_t k_most_tests = 200'000;
  static constexpr std::size_t k_most_nodeid_bytes = 4096;

  History() = default;
  History(History&&) = default;
  History& operator=(History&&) = default;

  [[nodiscard]] const TestRecord* find(std::string_view nodeid) const noexcept;
  // The record of a test, a new one when it has none; it counts as changed. Null for a node id that is longer than any that
  // is kept.
  [[nodiscard]] TestRecord* change(std::string_view nodeid);
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

  // The bytes of a file; format: history_format.cpp. At most k_most_tests of the tests, those that ran last.
  [[nodiscard]] std::string encode() const;
  // Errors: malformed (no history, another version, a wrong checksum, cut off).
  [[nodiscard]] static core::Result<History> decode(std::string_view bytes);

  // Somebody else has written `other` meanwhile: it, and on top the records that changed here since the last settle().
  [[nodiscard]] History merged_into(History other) const;
  // Nothing counts as changed any more.
  void settle() noexcept;

 private:
  struct Entry {
    std::string nodeid;
    TestRecord record;
    bool is_changed = false;
  };

  Entry& add(std::string_view nodeid);

  std::deque<Entry> entries_;     // in the order in which they came: neighbours in a suite are neighbours here
  std::unordered_map<std::string_view, Entry*> places_;
};

}  // namespace pf::ctl
