// How a predecessor's daemon is replaced: pfast's own is started beside it, collects, and takes its address by `promote`, a verb
// of version 1. Private to pfctl.
#pragma once

#include <string>

#include <pfcore/result.hpp>

#include <pfctl/watch_service.hpp>

namespace pf::ctl {

struct Staged {
  bool promoted = false;
  std::int64_t items = 0;
  std::string why;               // not promoted
  std::string output;            // pytest's text of a collection that failed
};

// Blocking, for as long as a boot and the predecessor's run take; any thread. What was started and not promoted is ended.
// Errors: those of the start.
[[nodiscard]] core::Result<Staged> stage_and_promote(const Address& address, const StartOptions& start, const core::RunRequest& warm);

// The address beside it where the successor waits: A.staging, as in the predecessor.
[[nodiscard]] core::Result<Address> staging_address(const Address& address);

}  // namespace pf::ctl
