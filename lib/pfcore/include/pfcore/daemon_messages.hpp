// Messages about the daemon itself rather than about one run: pre-warming, and who serves an address. As with messages.hpp,
// PROTOCOL.md is the reference for both sides.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <pfcore/export.hpp>
#include <pfcore/messages.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// Make warm now what a run like `request` would use, with all of its scope, and replace every stale generation. Phases
// follow, then Refreshed, or the ErrorEvent of the first boot that came to nothing.
struct RefreshRequest {
  static constexpr std::string_view k_type = "refresh";
  RunRequest request;
};

struct RefreshedGeneration {
  std::int64_t id = 0;
  std::int64_t items = 0;
  bool booted = false;           // by this refresh; false: it was fresh, or somebody else's boot was waited for
  std::string why;               // of the boot
  double boot_s = 0;
};

struct Refreshed {
  static constexpr std::string_view k_type = "refreshed";
  std::vector<RefreshedGeneration> generations;   // the first one is the request's
};

// From a daemon that is about to serve the same address. First `done` false: the answer is HandedOver. Then, once its own
// socket is in place, `done` true: the receiver serves whom it has and leaves. A connection that ends in between changes nothing.
struct HandOverRequest {
  static constexpr std::string_view k_type = "hand_over";
  bool done = false;
};

// Carries one descriptor: the life lock, shared by both from now on.
struct HandedOver { static constexpr std::string_view k_type = "handed_over"; };

}  // namespace pf::core
PF_CORE_API_END
