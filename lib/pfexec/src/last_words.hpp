// What a worker leaves behind when it is lost: four files in memory that its controller holds, too.
//
// Captured output goes to the first two instead of to temporary files, stacks (a time limit's dump, a fatal signal's) to the third.
// Notes: the sections that earlier phases of the item at hand have captured, then what the worker's session has put out for its
// node. A record is written before its length, so that a process that dies in between leaves the one before or none.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pfcore/unique_fd.hpp>

namespace pf::exec {

using Sections = std::vector<std::pair<std::string, std::string>>;

struct LastWords {
  core::UniqueFd out;
  core::UniqueFd err;
  core::UniqueFd stacks;
  core::UniqueFd notes;

  // None of them valid when there are no descriptors left: a worker can do without.
  [[nodiscard]] static LastWords create();
  [[nodiscard]] LastWords share() const;
  [[nodiscard]] bool valid() const noexcept { return notes.valid(); }

  // In the worker. Empty sections take a note back.
  void note_sections(const Sections& sections);
  void note_output(std::string_view bytes);

  // In the controller, once the worker is gone. `phase`: "call", the title's last word of what was captured last.
  [[nodiscard]] Sections read_sections(std::string_view phase) const;
  [[nodiscard]] std::string read_stacks() const;
  [[nodiscard]] std::string read_output() const;

 private:
  bool noted_ = false;           // sections of the item at hand
};

}  // namespace pf::exec
