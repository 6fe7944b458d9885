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
  bool whole = false;                 // stays with the worker that began it: stealing its tail would pay its set-up twice
};

struct Plan {
  std::vector<std::uint32_t> order;   // every item exactly once
  std::vector<PlanRange> ranges;      // disjoint, in claiming order, together all of `order`
};

// A group word of an item: its group's number, and what it means to begin a range at this item instead of going on with it
// after the item of its group that comes before it.
inline constexpr std::uint32_t k_group_number = 0x3fffffffu;
inline constexpr std::uint32_t k_cut_shares_setup = 0x80000000u;   // fixtures that both sides share are set up once more
inline constexpr std::uint32_t k_cut_never = 0x40000000u;          // the two stay together

struct PlanInput {
  std::size_t items = 0;
  std::span<const std::uint32_t> groups;       // per item: its group word; empty = all items are one group
  std::span<const double> expected_s;          // per item, from history; empty = unknown (each counts the same)
  std::size_t workers = 1;
  Dist dist = Dist::automatic;
};

// With one worker: pytest's own order, one range. With more, items of one group are brought together in their order, and:
//   automatic       a range per group, longest first when durations are known (else by size); a range is split into contiguous
//                   halves only when it is longer than the fair share of a worker by more than 5 %, and nowhere between items
//                   that stay together; ranges whose parts would share set-up stay whole afterwards
//   loadfile, loadscope, loadgroup   the same, and no range is ever split
//   load            pytest's order in chunks, several a worker; worksteal: one chunk a worker
// Items whose duration is not known (not above zero, or not finite) count as the average of the others.
[[nodiscard]] Plan make_plan(const PlanInput& input);

}  // namespace pf::core
PF_CORE_API_END
