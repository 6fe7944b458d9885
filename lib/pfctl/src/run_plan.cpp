#include "run_plan.hpp"

#include <algorithm>
#include <vector>

#include <pfctl/run_measurements.hpp>

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

std::string history_path(const core::Selected& selected) {
  // The name has the format's version: another version's file is neither read nor overwritten.
  return selected.cache_dir.empty() ? std::string() : selected.cache_dir + "/history-1";
}

core::Plan plan_run(const core::Selected& selected, std::string_view dist, std::size_t workers, const History* history) {
  const std::vector<std::uint64_t> needs = resource_bits(selected);
  Expectations expected;
  if (history != nullptr && workers > 1) expected = expectations(*history, selected.nodeids, selected.groups);
  core::PlanInput input;
  input.expected_s = expected.expected_s;
  input.setup_s = expected.setup_s;
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
