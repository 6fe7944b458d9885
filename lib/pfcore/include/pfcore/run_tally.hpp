// The proof that a run is complete: each selected item has exactly one final state, by identity. Also the counts and the
// exit code. Pure; the daemon owns one per run.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <pfcore/export.hpp>
#include <pfcore/messages.hpp>
#include <pfcore/result.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// The six words of the predecessor's dump for one item, from its phases' categories: a failing set-up or teardown is
// "error", whatever the call did; xfailed, xpassed and skipped as pytest has them; else "passed". Two more, so that nothing
// is green without proof: "error" when there is no report at all, and "rerun", which is not final, when the last report
// announces another try (pytest-rerunfailures).
[[nodiscard]] std::string item_outcome(const std::vector<PhaseReport>& phases);

enum class Accepted : std::uint8_t { first, duplicate, out_of_range };

class RunTally {
 public:
  explicit RunTally(std::size_t items = 0);
  // Records a final result. A second one for the same item is `duplicate` and makes the run untrusted, as an item that is
  // not part of the run does. Any word but passed, skipped, xfailed and xpassed counts as a failure.
  Accepted record(std::uint32_t item, std::string_view outcome);
  [[nodiscard]] bool has(std::uint32_t item) const noexcept;
  [[nodiscard]] std::size_t total() const noexcept { return states_.size(); }
  [[nodiscard]] std::size_t done() const noexcept { return done_; }
  [[nodiscard]] std::size_t failed() const noexcept { return failed_; }   // failed or error
  [[nodiscard]] bool complete() const noexcept { return done_ == states_.size() && !untrusted_; }
  [[nodiscard]] bool untrusted() const noexcept { return untrusted_; }
  [[nodiscard]] std::vector<std::uint32_t> missing() const;
  [[nodiscard]] std::vector<std::uint32_t> with_failure() const;
  [[nodiscard]] std::vector<std::uint32_t> without_failure() const;

 private:
  std::vector<std::uint8_t> states_;
  std::size_t done_ = 0;
  std::size_t failed_ = 0;
  bool untrusted_ = false;
};

// pytest's exit code as the run's verdict: what the session said, made worse where the proof says more. Never 0 unless the
// tally is complete and at least one item ran.
//   session_code 0 and incomplete -> 2 when interrupted, else 3; failures -> at least 1; nothing selected -> 5.
[[nodiscard]] int verdict(const RunTally& tally, int session_code, bool interrupted);

}  // namespace pf::core
PF_CORE_API_END
