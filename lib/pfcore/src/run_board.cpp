#include <pfcore/run_board.hpp>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

// What is true of an item is said by one word, its owner: free, claimed by a slot, or begun by it. The cursor and the
// slots' ranges only say where to look; a process that dies between taking positions out of one range and putting them
// into another leaves them free but in no range ("strays"), and they are looked for when nothing else is left.

namespace pf::core {
namespace {

constexpr std::uint64_t k_magic = 0x3144524F42'4650u;   // "PFBORD1" in memory order
constexpr std::uint32_t k_version = 2;
constexpr std::size_t k_line_bytes = 64;
constexpr std::uint32_t k_no_position = 0xffffffffu;
constexpr std::uint64_t k_max_items = 0x7fffffffu;
constexpr std::uint64_t k_max_workers = 65'535;

using AtomicU32 = std::atomic<std::uint32_t>;
using AtomicU64 = std::atomic<std::uint64_t>;
static_assert(AtomicU32::is_always_lock_free && sizeof(AtomicU32) == sizeof(std::uint32_t));
static_assert(AtomicU64::is_always_lock_free && sizeof(AtomicU64) == sizeof(std::uint64_t));

constexpr std::size_t aligned(std::size_t bytes) noexcept { return (bytes + k_line_bytes - 1) / k_line_bytes * k_line_bytes; }

// Positions are below 2^31: the upper bit of an end says that the range stays whole.
constexpr std::uint32_t k_whole = 0x80000000u;

// Positions [next, end) that a slot has taken and not claimed yet.
struct Range {
  std::uint32_t next = 0;
  std::uint32_t end = 0;
  bool whole = false;

  [[nodiscard]] std::uint32_t size() const noexcept { return next < end ? end - next : 0; }
  [[nodiscard]] std::uint64_t pack() const noexcept { return std::uint64_t{next} << 32 | (whole ? end | k_whole : end); }
  [[nodiscard]] static Range unpack(std::uint64_t word) noexcept {
    const auto end = static_cast<std::uint32_t>(word);
    return {static_cast<std::uint32_t>(word >> 32), end & ~k_whole, (end & k_whole) != 0};
  }
  // Without what lies behind the last position: only a board that was written over has that, and nothing is there to take.
  [[nodiscard]] static Range unpack(std::uint64_t word, std::size_t positions) noexcept {
    Range range = unpack(word);
    range.end = static_cast<std::uint32_t>(std::min<std::size_t>(range.end, positions));
    return range;
  }
};

// State, phase and item in one word, so that nobody sees the phase of one item beside another item.
struct Activity {
  std::uint32_t item = k_no_item;
  std::uint8_t phase = 0;
  std::uint8_t state = 0;

  [[nodiscard]] std::uint64_t pack() const noexcept {
    return std::uint64_t{item} << 32 | std::uint64_t{phase} << 8 | state;
  }
  [[nodiscard]] static Activity unpack(std::uint64_t word) noexcept {
    return {static_cast<std::uint32_t>(word >> 32), static_cast<std::uint8_t>(word >> 8), static_cast<std::uint8_t>(word)};
  }
  [[nodiscard]] static Activity of(WorkerState state, std::uint32_t item = k_no_item) noexcept {
    return {item, 0, static_cast<std::uint8_t>(state)};
  }
};

// The owner words of an item: 0 is free.
constexpr std::uint32_t k_free = 0;
constexpr std::uint32_t claimed_by(std::size_t slot) noexcept { return static_cast<std::uint32_t>(slot + 1) << 1; }
constexpr std::uint32_t begun_by(std::size_t slot) noexcept { return claimed_by(slot) | 1u; }

}  // namespace

struct alignas(k_line_bytes) RunBoard::Header {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t items;
  std::uint32_t ranges;
  std::uint32_t workers;
  std::uint64_t size_bytes;
  alignas(k_line_bytes) AtomicU32 cursor;   // the first range of the plan that no slot has taken
  alignas(k_line_bytes) AtomicU32 stop;
};

struct RunBoard::StoredRange {
  std::uint32_t begin;
  std::uint32_t end;   // with k_whole

  [[nodiscard]] Range range() const noexcept { return {begin, end & ~k_whole, (end & k_whole) != 0}; }
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
  std::size_t items;
  std::size_t ranges;
  std::size_t workers;

  [[nodiscard]] std::size_t slots_at() const noexcept { return sizeof(Header); }
  [[nodiscard]] std::size_t ranges_at() const noexcept { return slots_at() + workers * sizeof(Slot); }
  [[nodiscard]] std::size_t order_at() const noexcept { return ranges_at() + aligned(ranges * sizeof(StoredRange)); }
  [[nodiscard]] std::size_t owners_at() const noexcept { return order_at() + aligned(items * sizeof(std::uint32_t)); }
  [[nodiscard]] std::size_t end() const noexcept { return owners_at() + aligned(items * sizeof(AtomicU32)); }
};

// ---------------------------------------------------------------- layout

std::size_t RunBoard::size_bytes(std::size_t items, std::size_t ranges, std::size_t workers) noexcept {
  static_assert(sizeof(Header) == 3 * k_line_bytes && sizeof(Slot) == k_line_bytes && sizeof(StoredRange) == 8);
  return Layout{items, ranges, workers}.end();
}

RunBoard::RunBoard(std::span<std::byte> memory, const Layout& layout) noexcept
    : header_(std::launder(reinterpret_cast<Header*>(memory.data()))),
      slots_(std::launder(reinterpret_cast<Slot*>(memory.data() + layout.slots_at())), layout.workers),
      order_(std::launder(reinterpret_cast<const std::uint32_t*>(memory.data() + layout.order_at())), layout.items),
      ranges_(std::launder(reinterpret_cast<const StoredRange*>(memory.data() + layout.ranges_at())), layout.ranges),
      owners_(std::launder(reinterpret_cast<AtomicU32*>(memory.data() + layout.owners_at())), layout.items) {}

Status RunBoard::check(std::span<std::byte> memory, std::uint64_t items, std::uint64_t ranges, std::uint64_t workers) {
  if (reinterpret_cast<std::uintptr_t>(memory.data()) % k_line_bytes != 0) {
    return Error{ErrorCode::invalid_argument, "use the run board: its memory is not aligned to 64 bytes", 0, 0};
  }
  // Every range has an item at least. Bounded counts cannot overflow the size.
  if (items > k_max_items || ranges > items || workers == 0 || workers > k_max_workers) {
    return Error{ErrorCode::limit, "use the run board: " + std::to_string(items) + " items in " + std::to_string(ranges) +
                 " ranges for " + std::to_string(workers) + " workers", 0, 0};
  }
  if (memory.size() < Layout{items, ranges, workers}.end()) {
    return Error{ErrorCode::truncated, "use the run board: its memory is too small", 0, memory.size()};
  }
  return ok_status();
}

Result<RunBoard> RunBoard::create(std::span<std::byte> memory, const Plan& plan, std::size_t workers) {
  const Layout layout{plan.order.size(), plan.ranges.size(), workers};
  if (Status status = check(memory, layout.items, layout.ranges, layout.workers); !status) return std::move(status).error();
  auto* header = new (memory.data()) Header{};
  header->magic = k_magic;
  header->version = k_version;
  header->items = static_cast<std::uint32_t>(layout.items);
  header->ranges = static_cast<std::uint32_t>(layout.ranges);
  header->workers = static_cast<std::uint32_t>(layout.workers);
  header->size_bytes = layout.end();
  // The first ranges are dealt out beforehand: a worker that starts early must not prefetch what a late one begins with.
  const std::size_t dealt = std::min(layout.workers, layout.ranges);
  header->cursor.store(static_cast<std::uint32_t>(dealt));
  for (std::size_t i = 0; i < layout.workers; ++i) {
    auto* slot = new (memory.data() + layout.slots_at() + i * sizeof(Slot)) Slot{};
    slot->activity.store(Activity{}.pack());
    slot->prefetched.store(k_no_position);
    if (i < dealt) slot->range.store(Range{plan.ranges[i].begin, plan.ranges[i].end, plan.ranges[i].whole}.pack());
  }
  auto* owners = memory.data() + layout.owners_at();
  for (std::size_t i = 0; i < layout.items; ++i) new (owners + i * sizeof(AtomicU32)) AtomicU32(k_free);
  auto* ranges = memory.data() + layout.ranges_at();
  for (std::size_t i = 0; i < layout.ranges; ++i) {
    const PlanRange& range = plan.ranges[i];
    new (ranges + i * sizeof(StoredRange)) StoredRange{range.begin, range.whole ? range.end | k_whole : range.end};
  }
  if (layout.items > 0) std::memcpy(memory.data() + layout.order_at(), plan.order.data(), layout.items * sizeof(std::uint32_t));
  return open(memory);
}

Result<RunBoard> RunBoard::open(std::span<std::byte> memory) {
  const auto malformed = [](std::string_view what) {
    return Error{ErrorCode::malformed, "open the run board: " + std::string(what), 0, 0};
  };
  // The smallest board there is: enough to read the header.
  if (Status status = check(memory, 0, 0, 1); !status) return std::move(status).error();
  const Header& header = *std::launder(reinterpret_cast<const Header*>(memory.data()));
  if (header.magic != k_magic) return malformed("it has another magic number");
  if (header.version != k_version) return malformed("it is of version " + std::to_string(header.version));
  const Layout layout{header.items, header.ranges, header.workers};
  if (Status status = check(memory, layout.items, layout.ranges, layout.workers); !status) return std::move(status).error();
  if (header.size_bytes != layout.end()) return malformed("it has another size than its counts say");
  RunBoard board(memory, layout);
  if (!board.orders_every_item()) return malformed("its order does not name every item once");
  if (!board.ranges_cover_the_order()) return malformed("its ranges do not cover its order");
  return board;
}

bool RunBoard::orders_every_item() const {
  std::vector<bool> seen(order_.size());
  for (const std::uint32_t item : order_) {
    if (item >= seen.size() || seen[item]) return false;
    seen[item] = true;
  }
  return true;
}

bool RunBoard::ranges_cover_the_order() const {
  std::vector<bool> seen(order_.size());
  std::size_t covered = 0;
  for (const StoredRange& stored : ranges_) {
    const Range range = stored.range();
    if (range.next >= range.end || range.end > seen.size()) return false;
    for (std::uint32_t position = range.next; position < range.end; ++position) {
      if (seen[position]) return false;
      seen[position] = true;
    }
    covered += range.size();
  }
  return covered == seen.size();
}

std::size_t RunBoard::items() const noexcept { return order_.size(); }
std::size_t RunBoard::workers() const noexcept { return slots_.size(); }

std::uint32_t RunBoard::item_at(std::uint32_t position) const noexcept {
  if (position >= order_.size()) return k_no_item;
  const std::uint32_t item = order_[position];
  return item < order_.size() ? item : k_no_item;
}

// ---------------------------------------------------------------- taking positions

std::uint32_t RunBoard::take_own(std::size_t index) noexcept {
  AtomicU64& word = slots_[index].range;
  std::uint64_t seen = word.load();
  for (;;) {
    Range range = Range::unpack(seen, owners_.size());
    if (range.size() == 0) return k_no_position;
    const std::uint32_t position = range.next++;
    if (!word.compare_exchange_weak(seen, range.pack())) continue;
    seen = range.pack();
    std::uint32_t expected = k_free;
    // Not free: somebody took it for a stray.
    if (owners_[position].compare_exchange_strong(expected, claimed_by(index))) return position;
  }
}

bool RunBoard::refill_from_plan(std::size_t index) noexcept {
  std::uint32_t cursor = header_->cursor.load();
  while (cursor < ranges_.size()) {
    if (!header_->cursor.compare_exchange_weak(cursor, cursor + 1)) continue;
    slots_[index].range.store(ranges_[cursor].range().pack());
    return true;
  }
  return false;
}

// What of another slot's range may be taken from it, as an amount.
std::uint32_t RunBoard::stealable(const Slot& victim, std::uint64_t word, Purpose purpose) const noexcept {
  const Range range = Range::unpack(word, owners_.size());
  const std::uint32_t size = range.size();
  const auto state = static_cast<WorkerState>(Activity::unpack(victim.activity.load()).state);
  const bool started = state == WorkerState::idle || state == WorkerState::running || state == WorkerState::finishing;
  if (range.whole) return started || purpose == Purpose::prefetch ? 0 : size;
  // A worker that knows of nothing else to run is left an item by those that only look ahead: it may be about to start.
  if (purpose == Purpose::prefetch && victim.prefetched.load() == k_no_position) return size / 2;
  return (size + 1) / 2;
}

// The tail of the longest range.
bool RunBoard::refill_by_stealing(std::size_t index, Purpose purpose) noexcept {
  for (;;) {
    Slot* victim = nullptr;
    std::uint64_t seen = 0;
    std::uint32_t amount = 0;
    for (Slot& other : slots_) {
      const std::uint64_t word = other.range.load();
      const std::uint32_t offered = stealable(other, word, purpose);
      if (offered <= amount) continue;
      victim = &other;
      seen = word;
      amount = offered;
    }
    if (victim == nullptr) return false;
    Range kept = Range::unpack(seen, owners_.size());
    const Range stolen{kept.end - amount, kept.end, kept.whole};
    kept.end = stolen.next;
    if (!victim->range.compare_exchange_strong(seen, kept.pack())) continue;
    slots_[index].range.store(stolen.pack());
    return true;
  }
}

bool RunBoard::is_left_for(std::size_t index, std::uint32_t position) const noexcept {
  const std::uint32_t owner = owners_[position].load();
  if (owner == k_free) return true;
  return owner == claimed_by(index) && item_at(position) != Activity::unpack(slots_[index].activity.load()).item;
}

bool RunBoard::refill_from_strays(std::size_t index) noexcept {
  const auto is_free = [this](std::uint32_t position) { return owners_[position].load() == k_free; };
  const auto count = static_cast<std::uint32_t>(owners_.size());
  std::uint32_t begin = 0;
  while (begin < count && !is_free(begin)) ++begin;
  std::uint32_t end = begin;
  while (end < count && is_free(end)) ++end;
  if (begin == end) return false;
  slots_[index].range.store(Range{begin, end}.pack());
  return true;
}

bool RunBoard::refill(std::size_t index, Purpose purpose) noexcept {
  if (refill_from_plan(index) || refill_by_stealing(index, purpose)) return true;
  // What is left in ranges was left to their owners.
  for (const Slot& slot : slots_) {
    if (Range::unpack(slot.range.load(), owners_.size()).size() > 0) return false;
  }
  return refill_from_strays(index);
}

std::uint32_t RunBoard::take(std::size_t index, Purpose purpose) noexcept {
  do {
    const std::uint32_t position = take_own(index);
    if (position != k_no_position) return position;
  } while (refill(index, purpose));
  return k_no_position;
}

// ---------------------------------------------------------------- workers

void RunBoard::attach(std::size_t index, std::int32_t pid) noexcept {
  if (index >= slots_.size()) return;
  Slot& slot = slots_[index];
  const std::uint32_t lost = Activity::unpack(slot.activity.load()).item;
  std::uint32_t prefetched = k_no_position;
  for (std::uint32_t position = 0; position < owners_.size(); ++position) {
    if (owners_[position].load() != claimed_by(index)) continue;
    // The predecessor had announced it and died before it could mark it: it counts as running then.
    if (lost != k_no_item && item_at(position) == lost) owners_[position].store(begun_by(index));
    else prefetched = position;
  }
  slot.prefetched.store(prefetched);
  // The pid last: who sees it sees nothing of the predecessor any more.
  slot.activity.store(Activity::of(WorkerState::starting).pack());
  slot.since_ns.store(0);
  slot.pid.store(pid);
}

std::optional<Claim> RunBoard::claim(std::size_t index, std::uint64_t now_ns) noexcept {
  if (index >= slots_.size() || stopped()) return std::nullopt;
  Slot& slot = slots_[index];
  std::uint32_t position = slot.prefetched.load();
  if (position >= owners_.size()) position = take(index, Purpose::run_now);
  if (position == k_no_position) return std::nullopt;
  const std::uint32_t item = item_at(position);
  // The start first: who sees the item never sees an older item's start beside it. The item before its mark: a process
  // that dies in between is blamed for it, which is better than an item that nobody runs.
  slot.since_ns.store(now_ns);
  slot.activity.store(Activity::of(WorkerState::running, item).pack());
  owners_[position].store(begun_by(index));
  slot.prefetched.store(k_no_position);
  const std::uint32_t next = take(index, Purpose::prefetch);
  slot.prefetched.store(next);
  return Claim{item, item_at(next)};
}

void RunBoard::set_phase(std::size_t index, ItemPhase phase) noexcept {
  if (index >= slots_.size()) return;
  Activity activity = Activity::unpack(slots_[index].activity.load());
  activity.phase = static_cast<std::uint8_t>(phase);
  slots_[index].activity.store(activity.pack());
}

void RunBoard::finish_item(std::size_t index) noexcept {
  if (index >= slots_.size()) return;
  slots_[index].activity.store(Activity::of(WorkerState::idle).pack());
  slots_[index].done.fetch_add(1);
}

void RunBoard::set_state(std::size_t index, WorkerState state) noexcept {
  if (index >= slots_.size()) return;
  Activity activity = Activity::unpack(slots_[index].activity.load());
  activity.state = static_cast<std::uint8_t>(state);
  slots_[index].activity.store(activity.pack());
}

// ---------------------------------------------------------------- anyone, daemon

void RunBoard::stop() noexcept { header_->stop.store(1); }
bool RunBoard::stopped() const noexcept { return header_->stop.load() != 0; }

SlotView RunBoard::slot(std::size_t index) const noexcept {
  SlotView view;
  if (index >= slots_.size()) return view;
  const Slot& slot = slots_[index];
  Activity activity;
  // Parts that belong together are read until they did not change meanwhile; bounded, since anybody can write there.
  for (int tries = 0; tries < 16; ++tries) {
    view.pid = slot.pid.load();
    const std::uint64_t word = slot.activity.load();
    activity = Activity::unpack(word);
    view.since_ns = slot.since_ns.load();
    view.done = slot.done.load();
    if (slot.activity.load() == word && slot.pid.load() == view.pid) break;
  }
  if (activity.item < order_.size()) view.item = activity.item;
  view.state = static_cast<WorkerState>(std::min(activity.state, static_cast<std::uint8_t>(WorkerState::gone)));
  if (activity.phase <= static_cast<std::uint8_t>(ItemPhase::teardown)) view.phase = static_cast<ItemPhase>(activity.phase);
  return view;
}

bool RunBoard::has_work(std::size_t index) const noexcept {
  if (index >= slots_.size()) return false;
  for (std::uint32_t position = 0; position < owners_.size(); ++position) {
    if (is_left_for(index, position)) return true;
  }
  return false;
}

}  // namespace pf::core
