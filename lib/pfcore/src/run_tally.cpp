#include <pfcore/run_tally.hpp>

#include <algorithm>
#include <array>
#include <string_view>

namespace pf::core {
namespace {

enum State : std::uint8_t { k_none = 0, k_fine, k_failure };

constexpr int k_ok = 0;
constexpr int k_tests_failed = 1;
constexpr int k_interrupted = 2;
constexpr int k_internal_error = 3;
constexpr int k_no_tests = 5;

// What is none of these four is a failure: no word that is not known here makes a run green.
State classify(std::string_view outcome) noexcept {
  constexpr std::array<std::string_view, 4> fine{"passed", "skipped", "xfailed", "xpassed"};
  return std::find(fine.begin(), fine.end(), outcome) != fine.end() ? k_fine : k_failure;
}

// pytest's exit code looks at the outcome, its counts at the category. Either makes a failure.
bool is_failure(const PhaseReport& phase) noexcept {
  return (phase.outcome == "failed" && !phase.wasxfail) || phase.category == "failed" || phase.category == "error";
}

// The word of a phase that did not fail; empty for a plain pass.
std::string_view milder_word(const PhaseReport& phase) noexcept {
  for (const std::string_view word : {"skipped", "xfailed", "xpassed"}) {
    if (phase.category == word) return word;
  }
  if (phase.wasxfail) return phase.outcome == "passed" ? "xpassed" : "xfailed";
  return phase.outcome == "skipped" ? "skipped" : "";
}

std::vector<std::uint32_t> items_in(const std::vector<std::uint8_t>& states, State wanted) {
  std::vector<std::uint32_t> items;
  for (std::uint32_t item = 0; item < states.size(); ++item) {
    if (states[item] == wanted) items.push_back(item);
  }
  return items;
}

}  // namespace

std::string item_outcome(const std::vector<PhaseReport>& phases) {
  // A try that a plugin repeats says nothing final; the last one, which a setup begins, does. Without any report there is no
  // proof.
  if (phases.empty()) return "error";
  const auto begins = std::find_if(phases.rbegin(), phases.rend(), [](const PhaseReport& phase) { return phase.when == "setup"; });
  const auto last_try = begins == phases.rend() ? phases.begin() : begins.base() - 1;
  const auto is_rerun = [](const PhaseReport& phase) { return phase.category == "rerun" || phase.outcome == "rerun"; };
  if (std::any_of(last_try, phases.end(), is_rerun)) return "rerun";
  std::string_view word;
  bool error = false;
  bool failed = false;
  for (auto phase = last_try; phase != phases.end(); ++phase) {
    if (is_failure(*phase)) {
      if (phase->when == "call") failed = true;
      else error = true;
    } else if (word.empty()) {
      word = milder_word(*phase);
    }
  }
  if (error) return "error";
  if (failed) return "failed";
  return word.empty() ? "passed" : std::string(word);
}

RunTally::RunTally(std::size_t items) : states_(items, k_none) {}

Accepted RunTally::record(std::uint32_t item, std::string_view outcome) {
  if (item >= states_.size()) {
    untrusted_ = true;
    return Accepted::out_of_range;
  }
  if (states_[item] != k_none) {
    untrusted_ = true;
    return Accepted::duplicate;
  }
  states_[item] = classify(outcome);
  ++done_;
  if (states_[item] == k_failure) ++failed_;
  return Accepted::first;
}

bool RunTally::has(std::uint32_t item) const noexcept { return item < states_.size() && states_[item] != k_none; }

std::vector<std::uint32_t> RunTally::missing() const { return items_in(states_, k_none); }
std::vector<std::uint32_t> RunTally::with_failure() const { return items_in(states_, k_failure); }
std::vector<std::uint32_t> RunTally::without_failure() const { return items_in(states_, k_fine); }

int verdict(const RunTally& tally, int session_code, bool interrupted) {
  if (session_code != k_ok && session_code != k_no_tests) return session_code;
  if (!tally.complete()) return interrupted ? k_interrupted : k_internal_error;
  if (tally.failed() > 0) return k_tests_failed;
  return tally.total() == 0 ? k_no_tests : session_code;
}

}  // namespace pf::core
