// The arguments of `pfast run` before CLI11 sees them: what is certainly pytest's is put out of its reach.
#pragma once

#include <string>
#include <vector>

namespace pf::cli {

class RunArguments {
 public:
  // `arguments`: everything behind `run`.
  explicit RunArguments(std::vector<std::string> arguments);

  // For CLI11: nothing from the first "--" on, and stand-ins for arguments that only look like options.
  [[nodiscard]] const std::vector<std::string>& visible() const noexcept { return visible_; }
  // What CLI11 left over, in its order, and what it did not see: pytest's arguments.
  [[nodiscard]] std::vector<std::string> for_pytest(const std::vector<std::string>& left_over) const;

 private:
  std::vector<std::string> visible_;
  std::vector<std::string> hidden_;
  std::vector<std::string> verbatim_;
};

}  // namespace pf::cli
