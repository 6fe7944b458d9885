// A generation's checkpoints for people and as JSON: status and the doctor.
#pragma once

#include <cstdint>

#include <nlohmann/json.hpp>

#include <pfcore/daemon_messages.hpp>

namespace pf::cli {

// What their processes hold together, in bytes, shared pages by their share (PSS); 0 where the kernel does not say.
[[nodiscard]] std::int64_t checkpoint_bytes(const core::GenerationStatus& generation);

// [{"pid", "before", "pss_bytes"}], in the order of collection.
[[nodiscard]] nlohmann::ordered_json checkpoints_json(const core::GenerationStatus& generation);

}  // namespace pf::cli
