// --dump. With json_text.cpp, cmd_status.cpp, cmd_list.cpp, v1_daemon.cpp and the doctor the one place that writes JSON.
#pragma once

#include <map>
#include <string>

#include <pfcore/result.hpp>

namespace pf::cli {

using Outcomes = std::map<std::string, std::string>;   // node id -> one of the predecessor's six words

// {node id: outcome} as the predecessor's --dump writes it. To a temporary file that is renamed, so that no reader sees
// half of it; straight to what is no regular file (a device, a pipe); "-" is stdout. Errors: system.
// The file is there whole or as it was before; "-" is stdout.
[[nodiscard]] core::Status write_text(const std::string& path, const std::string& text);

[[nodiscard]] core::Status write_dump(const std::string& path, const Outcomes& outcomes);

}  // namespace pf::cli
