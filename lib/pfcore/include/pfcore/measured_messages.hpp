// What a run's workers spent its time on, told to a client that asked for it (RunOptions.measure) right before the end. As with
// messages.hpp, PROTOCOL.md is the reference for both sides.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <pfcore/export.hpp>
#include <pfcore/messages.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// One process in a worker's place (WorkerLife in metrics.hpp). Times are since the run's start: when its workers were asked for.
struct LifeReport {
  std::uint32_t worker = 0;
  std::uint32_t ran = 0;         // items
  double begun_s = 0;            // asked for its first item
  double ended_s = 0;            // its last item was over; of a lost one, when it was found lost
  double busy_s = 0;             // wall time inside the items' protocols
  double cpu_s = 0;              // processor time meanwhile, of all threads
  double queued_s = 0;           // meanwhile ready to run, and no processor free
};

struct MeasuredEvent {
  static constexpr std::string_view k_type = "measured";
  std::int64_t workers = 0;      // places
  std::int64_t processors = 1;   // that the run may use
  double wall_s = 0;             // from the run's start to the end of its last item
  std::vector<LifeReport> lives;
  std::int64_t frames = 0;       // that came from the workers,
  std::int64_t bytes = 0;        // and their payloads
  U32List groups;                // per item its group word (Selected.groups)
};

}  // namespace pf::core
PF_CORE_API_END
