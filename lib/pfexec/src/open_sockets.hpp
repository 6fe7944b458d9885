// What this process has open, as the kernel tells it. No Python.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <pfcore/messages.hpp>

namespace pf::exec {

// Sorted; empty without /proc.
[[nodiscard]] std::vector<int> open_descriptors();
// What /proc/self/fd/<fd> links to: "socket:[1234]", a path; empty when it is not open.
[[nodiscard]] std::string descriptor_target(int fd);
// Kind and both ends; nullopt: no socket.
[[nodiscard]] std::optional<core::ImageSocket> describe_socket(int fd);

}  // namespace pf::exec
