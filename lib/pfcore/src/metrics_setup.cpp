#include <pfcore/metrics_setup.hpp>

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>

#include "metrics_sums.hpp"

namespace pf::core {
namespace {

using std::chrono::nanoseconds;

constexpr std::array<std::string_view, 3> k_remedy_names{"widen-scope", "keep-together", "before-the-workers"};

auto key(const FixtureSetup& setup) noexcept { return std::tie(setup.fixture, setup.origin, setup.scope, setup.param); }
auto name(const SetupCluster& cluster) noexcept {
  return std::tie(cluster.fixture, cluster.origin, cluster.scope, cluster.param);
}

std::size_t distinct(std::vector<std::uint32_t>& numbers) {
  std::sort(numbers.begin(), numbers.end());
  return static_cast<std::size_t>(std::unique(numbers.begin(), numbers.end()) - numbers.begin());
}

SetupRemedy remedy(const SetupCluster& cluster) noexcept {
  if (cluster.times > cluster.workers) return SetupRemedy::widen_scope;
  // Of the session there is one in each worker, whatever runs where.
  return cluster.groups == 1 && cluster.scope != "session" ? SetupRemedy::keep_together : SetupRemedy::before_the_workers;
}

// Of at least one set-up; all have one key.
SetupCluster cluster_of(std::span<const FixtureSetup> setups, std::span<const std::size_t> members) {
  const FixtureSetup& first = setups[members.front()];
  SetupCluster cluster;
  cluster.fixture = first.fixture;
  cluster.origin = first.origin;
  cluster.scope = first.scope;
  cluster.param = first.param;
  cluster.times = members.size();
  std::vector<std::uint32_t> workers;
  std::vector<std::uint32_t> groups;
  for (const std::size_t member : members) {
    const nanoseconds took = fitted(setups[member].took);
    cluster.cost = plus(cluster.cost, took);
    cluster.longest = std::max(cluster.longest, took);
    workers.push_back(setups[member].worker);
    groups.push_back(setups[member].group);
  }
  cluster.workers = distinct(workers);
  cluster.groups = distinct(groups);
  cluster.saving = cluster.cost - cluster.longest;
  cluster.remedy = remedy(cluster);
  return cluster;
}

}  // namespace

std::string_view to_string(SetupRemedy remedy) noexcept {
  const auto index = static_cast<std::size_t>(remedy);
  return index < k_remedy_names.size() ? k_remedy_names[index] : k_remedy_names.front();
}

std::vector<SetupCluster> setup_clusters(std::span<const FixtureSetup> setups, nanoseconds least) {
  std::vector<std::size_t> order(setups.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return key(setups[a]) < key(setups[b]); });

  std::vector<SetupCluster> clusters;
  for (auto begin = order.begin(); begin != order.end();) {
    const auto end = std::find_if(begin, order.end(), [&](std::size_t at) { return key(setups[at]) != key(setups[*begin]); });
    if (end - begin > 1) {
      SetupCluster cluster = cluster_of(setups, {begin, end});
      if (cluster.saving >= least) clusters.push_back(std::move(cluster));
    }
    begin = end;
  }
  std::sort(clusters.begin(), clusters.end(), [](const SetupCluster& a, const SetupCluster& b) {
    return a.saving != b.saving ? a.saving > b.saving : name(a) < name(b);
  });
  return clusters;
}

}  // namespace pf::core
