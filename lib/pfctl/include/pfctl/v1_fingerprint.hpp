// What a version 1 client says about its environment: a hash of the few variables by which the predecessor told environments
// apart (pytest_fast._env_fingerprint). Pure; any thread.
#pragma once

#include <string>

#include <pfcore/messages.hpp>

namespace pf::ctl {

// 40 hexadecimal digits. PROTOCOL.md, section 7, has the variables and the form that is hashed.
[[nodiscard]] std::string v1_fingerprint(const core::Environment& env);

}  // namespace pf::ctl
