#include "run_plan.hpp"

#include <algorithm>
#include <vector>

namespace pf::ctl {
namespace {

// Per item its resources as bits; empty when there are none.
std::vector<std::uint64_t> resource_bits(const core::Selected& selected) {
  const std::size_t resources = std::min(selected.seats.size(), core::k_most_resources);
  if (resources == 0) return {};
  std::vector<std::uint64_t> bits(selected.nodeids.size(), 0);
  for (std::size_t i = 0; i + 1 < selected.needs.size(); i += 2) {
    if (selected.needs[i] < bits.size() && selected.needs[i + 1] < resources) bits[selected.needs[i]] |= std::uint64_t{1} << selected.needs[i + 1];
  }
  return bits;
}

}  // namespace

core::Plan plan_run(const core::Selected& selected, std::string_view dist, std::size_t workers) {
  const std::vector<std::uint64_t> needs = resource_bits(selected);
  core::PlanInput input;
  input.items = selected.nodeids.size();
  input.groups = selected.groups;
  input.serial = selected.serial;
  input.seats = selected.seats;
  input.needs = needs;
  input.workers = workers;
  input.dist = core::parse_dist(dist).value_or(core::Dist::automatic);
  return core::make_plan(input);
}

}  // namespace pf::ctl
