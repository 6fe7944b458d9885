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

// What a worker is to run now, and what is expected to come after it.
struct Claim {
  std::uint32_t item;                    // index into the run's items
  std::uint32_t next = k_no_item;        // from the same range: what comes. From another one: a guess, see reserve(). k_no_item = none
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
  [[nodiscard]] static std::size_t size_bytes(const Plan& plan, std::size_t workers) noexcept;

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
  // Takes the item that the next claim begins, unless one is taken already, and returns it. Asked when an item is through and
  // before its result is sent: what was announced after it (Claim::next) may have gone to another worker.
  // nullopt: no work is left for this slot (nothing to take or to steal, or the stop flag is up).
  [[nodiscard]] std::optional<std::uint32_t> reserve(std::size_t slot) noexcept;
  // Takes the seats of the reserved item's resources, all or none. False: others hold one of them; ask again after wait_for_seat.
  [[nodiscard]] bool acquire(std::size_t slot) noexcept;
  // Marks the reserved item as running (reserves one when there is none) and the one after it in its range as reserved.
  // nullopt: as from reserve().
  [[nodiscard]] std::optional<Claim> claim(std::size_t slot, std::uint64_t now_ns) noexcept;
  // The item that runs is tried once more, from `now_ns` on. Returns the number of this try, from 2 on.
  std::uint32_t begin_try(std::size_t slot, std::uint64_t now_ns) noexcept;
  void set_phase(std::size_t slot, ItemPhase phase) noexcept;
  // The running item is over and its result is sent. Its resources are free.
  void finish_item(std::size_t slot) noexcept;
  void set_state(std::size_t slot, WorkerState state) noexcept;

  // --- anyone ---------------------------------------------------------------------------------------------------
  // No further claim succeeds. Reasons are the daemon's; the flag only says stop.
  void stop() noexcept;
  [[nodiscard]] bool stopped() const noexcept;
  // Counts what acquire() may have waited for. wait_for_seat returns when it is not `seen` any more, and after 50 ms at the latest.
  [[nodiscard]] std::uint32_t releases() const noexcept;
  void wait_for_seat(std::uint32_t seen) const noexcept;

  // --- daemon ---------------------------------------------------------------------------------------------------
  [[nodiscard]] SlotView slot(std::size_t slot) const noexcept;
  // True when items remain that no live slot has claimed or that this slot would still find.
  [[nodiscard]] bool has_work(std::size_t slot) const noexcept;
  // How often the item was begun, over all its workers.
  [[nodiscard]] std::uint32_t tries(std::uint32_t item) const noexcept;
  // An item whose worker is gone is to be run once more. Whoever has nothing else to do finds it.
  void put_back(std::uint32_t item) noexcept;
  // The resources of a slot whose worker is gone.
  void release(std::size_t slot) noexcept;
  // True when items are left that run alone, and nobody may claim them yet. open_serial: from now on they may be.
  [[nodiscard]] bool has_serial_work() const noexcept;
  void open_serial() noexcept;

 private:
  struct Header;
  struct Slot;
  struct StoredRange;
  struct Layout;
  struct Victim;

  RunBoard(std::span<std::byte> memory, const Layout& layout) noexcept;
  [[nodiscard]] static Status check(std::span<std::byte> memory, const Layout& layout);

  [[nodiscard]] bool orders_every_item() const;
  [[nodiscard]] bool ranges_cover_the_order() const;
  [[nodiscard]] bool seats_add_up() const;
  [[nodiscard]] std::uint32_t item_at(std::uint32_t position) const noexcept;
  [[nodiscard]] std::uint32_t open_end() const noexcept;
  [[nodiscard]] std::uint32_t begin_of(std::size_t range) const noexcept;
  [[nodiscard]] std::uint32_t least_steal_at(std::uint32_t position) const noexcept;
  [[nodiscard]] bool is_left_for(std::size_t slot, std::uint32_t position) const noexcept;

  // run_board_claims.cpp
  [[nodiscard]] std::uint32_t take(std::size_t slot) noexcept;
  [[nodiscard]] std::uint32_t take_own(std::size_t slot) noexcept;
  [[nodiscard]] bool refill(std::size_t slot) noexcept;
  [[nodiscard]] bool refill_from_plan(std::size_t slot) noexcept;
  [[nodiscard]] std::uint32_t stealable(const Slot& victim, std::uint64_t word) const noexcept;
  [[nodiscard]] Victim find_victim() const noexcept;
  [[nodiscard]] bool refill_by_stealing(std::size_t slot) noexcept;
  [[nodiscard]] bool refill_from_strays(std::size_t slot) noexcept;
  [[nodiscard]] std::uint32_t expected_next() const noexcept;

  // run_board_seats.cpp
  using Seats = std::span<std::atomic<std::uint32_t>>;
  [[nodiscard]] Seats seats_of(std::size_t resource) const noexcept;
  [[nodiscard]] bool take_seat(std::size_t resource, std::size_t slot) noexcept;
  [[nodiscard]] bool drop_seats(std::size_t slot) noexcept;
  void announce_release() noexcept;

  Header* header_ = nullptr;
  std::span<Slot> slots_;
  std::span<const std::uint32_t> order_;
  std::span<const StoredRange> ranges_;
  std::span<std::atomic<std::uint32_t>> owners_;   // per position of the order
  std::span<std::atomic<std::uint32_t>> tries_;    // per item
  std::span<const std::uint64_t> needs_;           // per position: the resources of the item as bits; empty without resources
  std::span<const std::uint32_t> seat_ends_;       // per resource: where its seats end
  std::span<std::atomic<std::uint32_t>> seats_;    // slot + 1 of who has it, 0 = free
};

}  // namespace pf::core
PF_CORE_API_END
