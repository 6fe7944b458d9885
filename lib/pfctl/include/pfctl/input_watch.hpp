// Has one set of inputs looked at when something may have happened to it: when the kernel tells, or else by the clock. Looks are
// made on another thread, one at a time. Not thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <pfcore/unique_fd.hpp>

#include <pfctl/loop.hpp>
#include <pfctl/staleness.hpp>

namespace pf::ctl {

// So many changed paths a look names.
inline constexpr std::size_t k_changes_named = 64;

class InputWatch {
 public:
  // `touched`: something happened since the last look; the first one does not know of anything. `missed`: inputs that were read as
  // something else than whoever looked before was told; with the first look only.
  using Handler = std::function<void(const InputLook& look, bool touched, const std::vector<std::string>& missed)>;

  // `poll`: between two looks where there is nobody who tells. `memory`: of all that are watched for the same reason; may be null.
  InputWatch(Loop& loop, std::shared_ptr<const InputSet> inputs, std::shared_ptr<InputMemory> memory, Milliseconds poll, Handler on_look);
  InputWatch(const InputWatch&) = delete;
  InputWatch& operator=(const InputWatch&) = delete;
  ~InputWatch();

  // Looks a first time, and then whenever there is a reason.
  void start() { look(false); }
  // Why looks are made by the clock; empty = they are not.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  void on_readable();
  void on_time();
  void look(bool touched);
  void on_looked(const InputLook& look, const std::vector<std::string>& missed, std::string problem, core::UniqueFd descriptor);
  void wait_for_news(core::UniqueFd descriptor);

  Loop& loop_;
  std::shared_ptr<const InputSet> inputs_;
  std::shared_ptr<InputMemory> memory_;
  Milliseconds poll_;
  Handler on_look_;
  core::UniqueFd descriptor_;
  FdWatch news_;
  Timer timer_;
  std::string problem_;
  std::uint64_t fingerprint_ = 0;
  bool looked_ = false;                    // at least once
  bool touched_ = false;                   // before the look that is under way
  std::shared_ptr<InputWatch*> self_;      // cleared by the destructor: work under way looks here
};

}  // namespace pf::ctl
