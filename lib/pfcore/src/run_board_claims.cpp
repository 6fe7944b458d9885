// Who runs what next. What is true of an item is said by one word, its owner: free, claimed by a slot, or begun by it. The
// cursor and the slots' ranges only say where to look; a process that dies between taking positions out of one range and
// putting them into another leaves them free but in no range ("strays"), and they are looked for when nothing else is left.
#include <pfcore/run_board.hpp>

#include <algorithm>

#include "run_board_layout.hpp"

namespace pf::core {

struct RunBoard::Victim {
  Slot* slot = nullptr;
  std::uint64_t word = 0;       // its range, as it was seen
  std::uint32_t amount = 0;     // of the range's tail
};

// ---------------------------------------------------------------- taking positions

std::uint32_t RunBoard::take_own(std::size_t index) noexcept {
  AtomicU64& word = slots_[index].range;
  std::uint64_t seen = word.load();
  for (;;) {
    BoardRange range = BoardRange::unpack(seen, owners_.size());
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
  while (cursor < ranges_.size() && begin_of(cursor) < open_end()) {
    if (!header_->cursor.compare_exchange_weak(cursor, cursor + 1)) continue;
    slots_[index].range.store(BoardRange{begin_of(cursor), ranges_[cursor].end}.pack());
    return true;
  }
  return false;
}

// What of another slot's range may be taken from it, as an amount.
std::uint32_t RunBoard::stealable(const Slot& victim, std::uint64_t word) const noexcept {
  const BoardRange range = BoardRange::unpack(word, owners_.size());
  const std::uint32_t size = range.size();
  if (size == 0) return 0;
  const std::uint32_t half = (size + 1) / 2;
  if (half >= least_steal_at(range.next)) return half;
  const auto state = static_cast<WorkerState>(BoardActivity::unpack(victim.activity.load()).state);
  const bool has_begun = state == WorkerState::idle || state == WorkerState::running || state == WorkerState::finishing;
  return has_begun ? 0 : size;
}

// The slot that most can be stolen from.
RunBoard::Victim RunBoard::find_victim() const noexcept {
  Victim found;
  for (Slot& slot : slots_) {
    const std::uint64_t word = slot.range.load();
    const std::uint32_t amount = stealable(slot, word);
    if (amount > found.amount) found = {&slot, word, amount};
  }
  return found;
}

bool RunBoard::refill_by_stealing(std::size_t index) noexcept {
  for (;;) {
    Victim victim = find_victim();
    if (victim.slot == nullptr) return false;
    BoardRange kept = BoardRange::unpack(victim.word, owners_.size());
    const BoardRange stolen{kept.end - victim.amount, kept.end};
    kept.end = stolen.next;
    if (!victim.slot->range.compare_exchange_strong(victim.word, kept.pack())) continue;
    slots_[index].range.store(stolen.pack());
    return true;
  }
}

bool RunBoard::refill_from_strays(std::size_t index) noexcept {
  const auto is_free = [this](std::uint32_t position) { return owners_[position].load() == k_free; };
  const std::uint32_t count = open_end();
  std::uint32_t begin = 0;
  while (begin < count && !is_free(begin)) ++begin;
  std::uint32_t end = begin;
  while (end < count && is_free(end)) ++end;
  if (begin == end) return false;
  slots_[index].range.store(BoardRange{begin, end}.pack());
  return true;
}

bool RunBoard::refill(std::size_t index) noexcept {
  if (refill_from_plan(index) || refill_by_stealing(index)) return true;
  // What is left in ranges was left to their owners.
  for (const Slot& slot : slots_) {
    if (BoardRange::unpack(slot.range.load(), owners_.size()).size() > 0) return false;
  }
  return refill_from_strays(index);
}

std::uint32_t RunBoard::take(std::size_t index) noexcept {
  do {
    const std::uint32_t position = take_own(index);
    if (position != k_no_position) return position;
  } while (refill(index));
  return k_no_position;
}

// Where a slot without a range would look first. Nothing is taken: a worker that is busy for long must not keep what others
// could begin.
std::uint32_t RunBoard::expected_next() const noexcept {
  const std::uint32_t cursor = header_->cursor.load();
  if (cursor < ranges_.size() && begin_of(cursor) < open_end()) return item_at(begin_of(cursor));
  const Victim victim = find_victim();
  if (victim.slot == nullptr) return k_no_item;
  return item_at(BoardRange::unpack(victim.word, owners_.size()).end - victim.amount);
}

// ---------------------------------------------------------------- workers

void RunBoard::attach(std::size_t index, std::int32_t pid) noexcept {
  if (index >= slots_.size()) return;
  release(index);
  Slot& slot = slots_[index];
  const std::uint32_t lost = BoardActivity::unpack(slot.activity.load()).item;
  std::uint32_t prefetched = k_no_position;
  for (std::uint32_t position = 0; position < owners_.size(); ++position) {
    if (owners_[position].load() != claimed_by(index)) continue;
    // The predecessor had announced it and died before it could mark it: it counts as running then.
    if (lost != k_no_item && item_at(position) == lost) owners_[position].store(begun_by(index));
    else prefetched = position;
  }
  slot.prefetched.store(prefetched);
  // The pid last: who sees it sees nothing of the predecessor any more.
  slot.activity.store(BoardActivity::of(WorkerState::starting).pack());
  slot.since_ns.store(0);
  slot.pid.store(pid);
}

std::optional<std::uint32_t> RunBoard::reserve(std::size_t index) noexcept {
  if (index >= slots_.size() || stopped()) return std::nullopt;
  Slot& slot = slots_[index];
  std::uint32_t position = slot.prefetched.load();
  if (position >= owners_.size()) {
    position = take(index);
    slot.prefetched.store(position);
  }
  if (position == k_no_position) return std::nullopt;
  return item_at(position);
}

std::optional<Claim> RunBoard::claim(std::size_t index, std::uint64_t now_ns) noexcept {
  if (!reserve(index)) return std::nullopt;
  Slot& slot = slots_[index];
  const std::uint32_t position = slot.prefetched.load();
  if (position >= owners_.size()) return std::nullopt;   // written over meanwhile
  const std::uint32_t item = item_at(position);
  // The start first: who sees the item never sees an older item's start beside it. The item before its mark: a process
  // that dies in between is blamed for it, which is better than an item that nobody runs.
  slot.since_ns.store(now_ns);
  if (item < tries_.size()) tries_[item].fetch_add(1);
  slot.activity.store(BoardActivity::of(WorkerState::running, item).pack());
  owners_[position].store(begun_by(index));
  slot.prefetched.store(k_no_position);
  const std::uint32_t next = take_own(index);
  slot.prefetched.store(next);
  return Claim{item, next != k_no_position ? item_at(next) : expected_next()};
}

std::uint32_t RunBoard::tries(std::uint32_t item) const noexcept { return item < tries_.size() ? tries_[item].load() : 0; }

std::uint32_t RunBoard::begin_try(std::size_t index, std::uint64_t now_ns) noexcept {
  if (index >= slots_.size()) return 0;
  Slot& slot = slots_[index];
  const std::uint32_t item = BoardActivity::unpack(slot.activity.load()).item;
  if (item >= tries_.size()) return 0;
  slot.since_ns.store(now_ns);
  slot.activity.store(BoardActivity::of(WorkerState::running, item).pack());
  return tries_[item].fetch_add(1) + 1;
}

void RunBoard::put_back(std::uint32_t item) noexcept {
  for (std::uint32_t position = 0; position < order_.size(); ++position) {
    if (item_at(position) == item) owners_[position].store(k_free);
  }
}

void RunBoard::set_phase(std::size_t index, ItemPhase phase) noexcept {
  if (index >= slots_.size()) return;
  BoardActivity activity = BoardActivity::unpack(slots_[index].activity.load());
  activity.phase = static_cast<std::uint8_t>(phase);
  slots_[index].activity.store(activity.pack());
}

void RunBoard::finish_item(std::size_t index) noexcept {
  if (index >= slots_.size()) return;
  slots_[index].activity.store(BoardActivity::of(WorkerState::idle).pack());
  slots_[index].done.fetch_add(1);
  release(index);
}

void RunBoard::set_state(std::size_t index, WorkerState state) noexcept {
  if (index >= slots_.size()) return;
  BoardActivity activity = BoardActivity::unpack(slots_[index].activity.load());
  activity.state = static_cast<std::uint8_t>(state);
  slots_[index].activity.store(activity.pack());
}

}  // namespace pf::core
