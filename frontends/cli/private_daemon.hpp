// The daemon of --no-daemon: it serves one client, lives in a folder of its own, and ends with the client, even by SIGKILL:
// it asks the kernel for a signal at its parent's death, and removes the folder itself.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include <pfcore/result.hpp>

#include "context.hpp"

namespace pf::cli {

class PrivateDaemon {
 public:
  // Starts it and waits until it is ready. From then on `context.address` is the private one. Hold back SIGINT and SIGTERM
  // (SignalChannel) for as long as this object lives, or the folder may be left behind.
  [[nodiscard]] static core::Result<std::unique_ptr<PrivateDaemon>> start(Context& context);
  // Ends it and waits for that; whatever is left of the folder is removed.
  ~PrivateDaemon();
  PrivateDaemon(const PrivateDaemon&) = delete;
  PrivateDaemon& operator=(const PrivateDaemon&) = delete;

 private:
  PrivateDaemon() = default;
  std::string folder_;
  pid_t pid_ = 0;
};

// In the daemon: False when the owner is gone already.
[[nodiscard]] bool end_with_owner(pid_t owner);
// In the daemon: removes the folder that start() made, and nothing that does not look like it.
void remove_private_folder(const std::string& folder);

}  // namespace pf::cli
