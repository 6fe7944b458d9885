// The files that were edited lately, as far as generations became stale by them: the next edit is likely to be of one of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include <pfcore/messages.hpp>

namespace pf::ctl {

class HotFiles {
 public:
  static constexpr std::size_t k_most = 4;

  void note(std::string path) {
    std::erase(paths_, path);
    paths_.insert(paths_.begin(), std::move(path));
    if (paths_.size() > k_most) paths_.pop_back();
  }
  // The last one first.
  [[nodiscard]] const core::OsStrings& paths() const noexcept { return paths_; }

 private:
  core::OsStrings paths_;
};

}  // namespace pf::ctl
