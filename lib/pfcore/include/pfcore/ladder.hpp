// The checkpoints of a collection as a ladder: which ones to keep, and which one to go on from. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <pfcore/export.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// One checkpoint, in the order of collection.
struct Rung {
  std::int64_t mark = 0;         // inputs that had been recorded
  double work_s = 0;             // that was done before: time, and pages written to (CheckpointMade)
  bool hot = false;              // right before a file that was edited lately
};

// The last rung that had not needed any of the changed inputs. `input_marks`: per input, rising, how much had been recorded when
// it was first needed; `first_changed`: the first of them that has changed, nullopt when none has. nullopt: there is no such rung, or
// the numbers do not match.
[[nodiscard]] std::optional<std::size_t> rung_to_resume(std::span<const Rung> rungs, std::span<const std::uint32_t> input_marks,
                                                        std::optional<std::size_t> first_changed);

// The rung whose loss costs least when there are more than `most`. An edit is taken to be as likely at any moment of a collection, so
// a rung saves the work since the one before it in those edits that lie between it and the next one; and a long step is dear, since the
// rungs at its ends share few pages, and since nobody knows yet how many more rungs follow: each that is dropped near the end makes the
// same step longer. The last one is never dropped: how much lies behind it is not known yet; nor is a hot one while there are others,
// since the next edit is likely to be of the same file. Of 8 and more the first two and the last two stay: a checkpoint has to itself
// the pages that differ from both of its neighbours', and the first and the last have one neighbour only, which therefore has to be near.
[[nodiscard]] std::optional<std::size_t> rung_to_drop(std::span<const Rung> rungs, std::size_t most);

}  // namespace pf::core
PF_CORE_API_END
