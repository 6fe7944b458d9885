// The run board: one shared-memory table per run. The daemon writes the plan and reads who runs what; workers claim work
// from it without asking anyone. Layout and rules: PROTOCOL.md, "Run board".
//
// The board is a view over memory that the caller maps (a memfd). All fields that change are lock-free atomics. Nothing in
// the board is trusted by the daemon: every index read from it is checked against the number of items, and the sizes are
// those that create or open checked, not those that the memory says later.
//
// A process may be killed between any two instructions: no item is lost by that and none is claimed twice. Thread-safe,
// as long as one thread at a time acts for a slot.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <pfcore/export.hpp>
#include <pfcore/plan.hpp>
#include <pfcore/result.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

inline constexpr std::uint32_t k_no_item = 0xffffffffu;

enum class WorkerState : std::uint32_t { empty = 0, starting, idle, running, finishing, gone };
enum class ItemPhase : std::uint32_t { none = 0, setup, call, teardown };

// What a worker is to run now, and what comes after it.
struct Claim {
  std::uint32_t item;                    // index into the run's items
  std::uint32_t next = k_no_item;        // known next item, k_no_item = none
};

struct SlotView {
  std::int32_t pid = 0;
  WorkerState state = WorkerState::empty;
  std::uint32_t item = k_no_item;        // running now, or lost with the worker
  ItemPhase phase = ItemPhase::none;
  std::uint64_t since_ns = 0;            // CLOCK_MONOTONIC of the item's start
  std::uint32_t done = 0;                // items finished by this slot, over all its workers
};

class RunBoard {
 public:
  // Bytes that a board for this plan needs.
  [[nodiscard]] static std::size_t size_bytes(std::size_t items, std::size_t ranges, std::size_t workers) noexcept;

  // Lays the plan out in `memory` (zeroed, size_bytes long). The memory outlives the board.
  [[nodiscard]] static Result<RunBoard> create(std::span<std::byte> memory, const Plan& plan, std::size_t workers);
  // Opens a board that somebody else created; checks magic, version, sizes and every index of the order.
  [[nodiscard]] static Result<RunBoard> open(std::span<std::byte> memory);

  [[nodiscard]] std::size_t items() const noexcept;
  [[nodiscard]] std::size_t workers() const noexcept;

  // --- workers -------------------------------------------------------------------------------------------------
  // Takes the slot for this process: state starting, pid set. What an earlier worker of the slot had claimed and not
  // begun stays its own; the item that it was running does not.
  void attach(std::size_t slot, std::int32_t pid) noexcept;
  // Marks the claimed item as running and prefetches the one after it, so that `next` is known before the item ends.
  // nullopt: no work is left for this slot (nothing to claim or steal, or the stop flag is up). After a claim without a
  // next item another one may still succeed, when a slot that was expected to start did not.
  [[nodiscard]] std::optional<Claim> claim(std::size_t slot, std::uint64_t now_ns) noexcept;
  void set_phase(std::size_t slot, ItemPhase phase) noexcept;
  // The running item is over and its result is sent.
  void finish_item(std::size_t slot) noexcept;
  void set_state(std::size_t slot, WorkerState state) noexcept;

  // --- anyone ---------------------------------------------------------------------------------------------------
  // No further claim succeeds. Reasons are the daemon's; the flag only says stop.
  void stop() noexcept;
  [[nodiscard]] bool stopped() const noexcept;

  // --- daemon ---------------------------------------------------------------------------------------------------
  [[nodiscard]] SlotView slot(std::size_t slot) const noexcept;
  // True when items remain that no live slot has claimed or that this slot would still find.
  [[nodiscard]] bool has_work(std::size_t slot) const noexcept;

 private:
  struct Header;
  struct Slot;
  struct StoredRange;
  struct Layout;
  enum class Purpose : std::uint8_t { run_now, prefetch };

  RunBoard(std::span<std::byte> memory, const Layout& layout) noexcept;
  [[nodiscard]] static Status check(std::span<std::byte> memory, std::uint64_t items, std::uint64_t ranges, std::uint64_t workers);

  [[nodiscard]] bool orders_every_item() const;
  [[nodiscard]] bool ranges_cover_the_order() const;
  [[nodiscard]] std::uint32_t item_at(std::uint32_t position) const noexcept;
  [[nodiscard]] bool is_left_for(std::size_t slot, std::uint32_t position) const noexcept;
  [[nodiscard]] std::uint32_t take(std::size_t slot, Purpose purpose) noexcept;
  [[nodiscard]] std::uint32_t take_own(std::size_t slot) noexcept;
  [[nodiscard]] bool refill(std::size_t slot, Purpose purpose) noexcept;
  [[nodiscard]] bool refill_from_plan(std::size_t slot) noexcept;
  [[nodiscard]] std::uint32_t stealable(const Slot& victim, std::uint64_t word, Purpose purpose) const noexcept;
  [[nodiscard]] bool refill_by_stealing(std::size_t slot, Purpose purpose) noexcept;
  [[nodiscard]] bool refill_from_strays(std::size_t slot) noexcept;

  Header* header_ = nullptr;
  std::span<Slot> slots_;
  std::span<const std::uint32_t> order_;
  std::span<const StoredRange> ranges_;
  std::span<std::atomic<std::uint32_t>> owners_;   // per position of the order
};

}  // namespace pf::core
PF_CORE_API_END
