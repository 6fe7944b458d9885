#include "checkpoint_view.hpp"

#include <cstdio>
#include <memory>
#include <string>

namespace pf::cli {
namespace {

std::int64_t proportional_bytes(std::int64_t pid) {
  const auto text = std::unique_ptr<std::FILE, int (*)(std::FILE*)>(std::fopen(("/proc/" + std::to_string(pid) + "/smaps_rollup").c_str(), "re"), std::fclose);
  char line[128];
  long long kib = 0;
  while (text != nullptr && std::fgets(line, sizeof line, text.get()) != nullptr) {
    if (std::sscanf(line, "Pss: %lld kB", &kib) == 1) return kib << 10;
  }
  return 0;
}

}  // namespace

std::int64_t checkpoint_bytes(const core::GenerationStatus& generation) {
  std::int64_t bytes = 0;
  for (const core::CheckpointStatus& one : generation.checkpoints) bytes += proportional_bytes(one.pid);
  return bytes;
}

nlohmann::ordered_json checkpoints_json(const core::GenerationStatus& generation) {
  auto out = nlohmann::ordered_json::array();
  for (const core::CheckpointStatus& one : generation.checkpoints) {
    out.push_back({{"pid", one.pid}, {"before", one.before}, {"pss_bytes", proportional_bytes(one.pid)}});
  }
  return out;
}

}  // namespace pf::cli
