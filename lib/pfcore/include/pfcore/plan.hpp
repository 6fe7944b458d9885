// The plan of a run: in which order items are run, and which belong together. Pure and deterministic.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <pfcore/export.hpp>
#include <pfcore/result.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

enum class Dist : std::uint8_t { automatic, load, loadfile, loadscope, loadgroup, worksteal };

// "auto", "load", "loadfile", "loadscope", "loadgroup", "worksteal"; nullopt for anything else.
[[nodiscard]] std::optional<Dist> parse_dist(std::string_view name) noexcept;

// A contiguous part [begin, end) of Plan::order that one worker claims as a whole.
struct PlanRange {
  std::uint32_t begin;
  std::uint32_t end;
  // Other workers steal the tail half of what is left, when that half has at least so many items: fewer are not worth their
  // set-up. A range that is never cut goes as a whole, and only from a worker that has not begun or is gone.
  std::uint32_t least_steal = 1;
};
inline constexpr std::uint32_t k_never_cut = 0xffffffffu;

inline constexpr std::size_t k_most_resources = 64;

struct Plan {
  std::vector<std::uint32_t> order;   // every item exactly once
  std::vector<PlanRange> ranges;      // in the order of their places and of their claiming; together all of `order`
  std::uint32_t serial = 0;           // so many items at the end of `order`, in ranges of their own, run alone after the rest
  std::vector<std::uint32_t> seats;   // per resource, at most k_most_resources: how many items may have it at a time
  std::vector<std::uint64_t> needs;   // per place of `order`: the item's resources as bits; empty = none has any
};

// A group word of an item: its group's number, and what it means to begin a range at this item instead of going on with it
// after the item of its group that comes before it.
inline constexpr std::uint32_t k_group_number = 0x3fffffffu;
inline constexpr std::uint32_t k_cut_shares_setup = 0x80000000u;   // fixtures that both sides share are set up once more
inline constexpr std::uint32_t k_cut_never = 0x40000000u;          // the two stay together

struct PlanInput {
  std::size_t items = 0;
  std::span<const std::uint32_t> groups;       // per item: its group word; empty = all items are one group
  // Per item, from history; empty, not finite or not above zero = not known. What an item takes when its group's fixtures are
  // set up already, and what it takes to set them up when a range begins with it.
  std::span<const double> expected_s;
  std::span<const double> setup_s;             // 0 is known to be nothing
  std::span<const std::uint32_t> serial;       // items that run alone after the rest, ascending
  std::span<const std::uint32_t> seats;        // as in Plan
  std::span<const std::uint64_t> needs;        // per item: its resources as bits; empty = none has any
  std::size_t workers = 1;
  Dist dist = Dist::automatic;
};

// With one worker: pytest's own order, one range; nothing runs beside anything. With more, the items that run alone are the
// last range, in pytest's order; of the others, items of one group are brought together in their order, and:
//   automatic       a range per group, longest first when durations are known (else by size). Groups are split into contiguous
//                   ranges only when that makes the plan's list schedule shorter by more than 5 % for each of them, their set-up
//                   paid again, and by 50 ms; a group that shares set-up of unknown cost only when it is longer than
//                   the fair share of a worker by more than 5 %. Nothing is split between items that stay together. Groups that
//                   need the same resource become as many ranges as it has seats.
//                   Tails are stolen when that saves 5 % of the schedule, set-up paid again; with a cost that is not known, never
//   loadfile, loadscope, loadgroup   a range per group, longest first; nothing is split
//   load            pytest's order in chunks, several a worker; worksteal: one chunk a worker
// Items whose duration is not known count as the average of the others. Equal inputs make equal plans.
[[nodiscard]] Plan make_plan(const PlanInput& input);

// What list scheduling of jobs with these weights, in this order, makes of `workers`: the time at which the last one is done.
[[nodiscard]] double list_schedule(std::span<const double> weights, std::size_t workers);

}  // namespace pf::core
PF_CORE_API_END
