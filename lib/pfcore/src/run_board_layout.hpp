// The parts of a run board in memory. PROTOCOL.md, "Run board", is the manual.
#pragma once

#include <pfcore/run_board.hpp>

#include <algorithm>

namespace pf::core {

inline constexpr std::size_t k_line_bytes = 64;
inline constexpr std::uint32_t k_no_position = 0xffffffffu;

using AtomicU32 = std::atomic<std::uint32_t>;
using AtomicU64 = std::atomic<std::uint64_t>;
static_assert(AtomicU32::is_always_lock_free && sizeof(AtomicU32) == sizeof(std::uint32_t));
static_assert(AtomicU64::is_always_lock_free && sizeof(AtomicU64) == sizeof(std::uint64_t));

constexpr std::size_t aligned(std::size_t bytes) noexcept { return (bytes + k_line_bytes - 1) / k_line_bytes * k_line_bytes; }

// Positions [next, end) that a slot has taken and not claimed yet.
struct BoardRange {
  std::uint32_t next = 0;
  std::uint32_t end = 0;

  [[nodiscard]] std::uint32_t size() const noexcept { return next < end ? end - next : 0; }
  [[nodiscard]] std::uint64_t pack() const noexcept { return std::uint64_t{next} << 32 | end; }
  // Without what lies behind the last position: only a board that was written over has that, and nothing is there to take.
  [[nodiscard]] static BoardRange unpack(std::uint64_t word, std::size_t positions) noexcept {
    const std::size_t end = std::min<std::size_t>(static_cast<std::uint32_t>(word), positions);
    return {static_cast<std::uint32_t>(word >> 32), static_cast<std::uint32_t>(end)};
  }
};

// State, phase and item in one word, so that nobody sees the phase of one item beside another item.
struct BoardActivity {
  std::uint32_t item = k_no_item;
  std::uint8_t phase = 0;
  std::uint8_t state = 0;

  [[nodiscard]] std::uint64_t pack() const noexcept {
    return std::uint64_t{item} << 32 | std::uint64_t{phase} << 8 | state;
  }
  [[nodiscard]] static BoardActivity unpack(std::uint64_t word) noexcept {
    return {static_cast<std::uint32_t>(word >> 32), static_cast<std::uint8_t>(word >> 8), static_cast<std::uint8_t>(word)};
  }
  [[nodiscard]] static BoardActivity of(WorkerState state, std::uint32_t item = k_no_item) noexcept {
    return {item, 0, static_cast<std::uint8_t>(state)};
  }
};

// The owner words of an item: 0 is free.
inline constexpr std::uint32_t k_free = 0;
constexpr std::uint32_t claimed_by(std::size_t slot) noexcept { return static_cast<std::uint32_t>(slot + 1) << 1; }
constexpr std::uint32_t begun_by(std::size_t slot) noexcept { return claimed_by(slot) | 1u; }

struct alignas(k_line_bytes) RunBoard::Header {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t items;
  std::uint32_t ranges;
  std::uint32_t workers;
  std::uint64_t size_bytes;
  std::uint32_t serial;                     // so many positions at the end wait until serial_open
  std::uint32_t resources;
  std::uint32_t seats;
  alignas(k_line_bytes) AtomicU32 cursor;   // the first range of the plan that no slot has taken
  alignas(k_line_bytes) AtomicU32 stop;
  AtomicU32 serial_open;
  AtomicU32 releases;                       // a futex
};

struct RunBoard::StoredRange {
  std::uint32_t end;                        // it begins where the one before it ends
  std::uint32_t least_steal;
};

struct alignas(k_line_bytes) RunBoard::Slot {
  AtomicU64 range;
  AtomicU64 activity;
  AtomicU64 since_ns;
  AtomicU32 prefetched;   // position, k_no_position = none
  std::atomic<std::int32_t> pid;
  AtomicU32 done;
};

struct RunBoard::Layout {
  std::uint64_t items;
  std::uint64_t ranges;
  std::uint64_t workers;
  std::uint64_t serial;
  std::uint64_t resources;
  std::uint64_t seats;

  [[nodiscard]] std::size_t slots_at() const noexcept { return sizeof(Header); }
  [[nodiscard]] std::size_t ranges_at() const noexcept { return slots_at() + workers * sizeof(Slot); }
  [[nodiscard]] std::size_t order_at() const noexcept { return ranges_at() + aligned(ranges * sizeof(StoredRange)); }
  [[nodiscard]] std::size_t owners_at() const noexcept { return order_at() + aligned(items * sizeof(std::uint32_t)); }
  [[nodiscard]] std::size_t tries_at() const noexcept { return owners_at() + aligned(items * sizeof(AtomicU32)); }
  [[nodiscard]] std::size_t needs_at() const noexcept { return tries_at() + aligned(items * sizeof(AtomicU32)); }
  [[nodiscard]] std::size_t needs() const noexcept { return resources > 0 ? items : 0; }
  [[nodiscard]] std::size_t seat_ends_at() const noexcept { return needs_at() + aligned(needs() * sizeof(std::uint64_t)); }
  [[nodiscard]] std::size_t seats_at() const noexcept { return seat_ends_at() + aligned(resources * sizeof(std::uint32_t)); }
  [[nodiscard]] std::size_t end() const noexcept { return seats_at() + aligned(seats * sizeof(AtomicU32)); }
};

}  // namespace pf::core
