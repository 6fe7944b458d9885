#include <pfcore/run_board.hpp>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include "run_board_layout.hpp"

namespace pf::core {
namespace {

constexpr std::uint64_t k_magic = 0x3144524F42'4650u;   // "PFBORD1" in memory order
constexpr std::uint32_t k_version = 4;
constexpr std::uint64_t k_max_items = 0x7fffffffu;
constexpr std::uint64_t k_max_workers = 65'535;

// More seats than workers are never taken.
std::uint32_t seats_for(std::uint32_t wanted, std::size_t workers) noexcept {
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(wanted, 1, std::max<std::size_t>(workers, 1)));
}

std::uint64_t seat_count(const Plan& plan, std::size_t workers) noexcept {
  std::uint64_t seats = 0;
  for (const std::uint32_t wanted : plan.seats) seats += seats_for(wanted, workers);
  return seats;
}

template <typename T>
T* at(std::span<std::byte> memory, std::size_t offset) noexcept {
  return std::launder(reinterpret_cast<T*>(memory.data() + offset));
}

}  // namespace

// ---------------------------------------------------------------- layout

std::size_t RunBoard::size_bytes(const Plan& plan, std::size_t workers) noexcept {
  static_assert(sizeof(Header) == 3 * k_line_bytes && sizeof(Slot) == k_line_bytes && sizeof(StoredRange) == 8);
  return Layout{plan.order.size(), plan.ranges.size(), workers, plan.serial, plan.seats.size(), seat_count(plan, workers)}.end();
}

RunBoard::RunBoard(std::span<std::byte> memory, const Layout& layout) noexcept
    : header_(at<Header>(memory, 0)),
      slots_(at<Slot>(memory, layout.slots_at()), layout.workers),
      order_(at<const std::uint32_t>(memory, layout.order_at()), layout.items),
      ranges_(at<const StoredRange>(memory, layout.ranges_at()), layout.ranges),
      owners_(at<AtomicU32>(memory, layout.owners_at()), layout.items),
      tries_(at<AtomicU32>(memory, layout.tries_at()), layout.items),
      needs_(at<const std::uint64_t>(memory, layout.needs_at()), layout.needs()),
      seat_ends_(at<const std::uint32_t>(memory, layout.seat_ends_at()), layout.resources),
      seats_(at<AtomicU32>(memory, layout.seats_at()), layout.seats) {}

Status RunBoard::check(std::span<std::byte> memory, const Layout& layout) {
  if (reinterpret_cast<std::uintptr_t>(memory.data()) % k_line_bytes != 0) {
    return Error{ErrorCode::invalid_argument, "use the run board: its memory is not aligned to 64 bytes", 0, 0};
  }
  // Every range has an item at least. Bounded counts cannot overflow the size.
  if (layout.items > k_max_items || layout.ranges > layout.items || layout.workers == 0 || layout.workers > k_max_workers) {
    return Error{ErrorCode::limit, "use the run board: " + std::to_string(layout.items) + " items in " + std::to_string(layout.ranges) +
                 " ranges for " + std::to_string(layout.workers) + " workers", 0, 0};
  }
  if (layout.serial > layout.items || layout.resources > k_most_resources || layout.seats > layout.resources * layout.workers) {
    return Error{ErrorCode::limit, "use the run board: " + std::to_string(layout.serial) + " of its items run alone, " +
                 std::to_string(layout.resources) + " resources have " + std::to_string(layout.seats) + " seats", 0, 0};
  }
  if (memory.size() < layout.end()) {
    return Error{ErrorCode::truncated, "use the run board: its memory is too small", 0, memory.size()};
  }
  return ok_status();
}

Result<RunBoard> RunBoard::create(std::span<std::byte> memory, const Plan& plan, std::size_t workers) {
  const Layout layout{plan.order.size(), plan.ranges.size(), workers, plan.serial, plan.seats.size(), seat_count(plan, workers)};
  if (Status status = check(memory, layout); !status) return std::move(status).error();
  if (!plan.needs.empty() && plan.needs.size() != plan.order.size()) {
    return Error{ErrorCode::invalid_argument, "use the run board: its plan says of some items only what they need", 0, 0};
  }
  auto* header = new (memory.data()) Header{};
  header->magic = k_magic;
  header->version = k_version;
  header->items = static_cast<std::uint32_t>(layout.items);
  header->ranges = static_cast<std::uint32_t>(layout.ranges);
  header->workers = static_cast<std::uint32_t>(layout.workers);
  header->size_bytes = layout.end();
  header->serial = plan.serial;
  header->resources = static_cast<std::uint32_t>(layout.resources);
  header->seats = static_cast<std::uint32_t>(layout.seats);
  auto* owners = memory.data() + layout.owners_at();
  auto* tries = memory.data() + layout.tries_at();
  for (std::size_t i = 0; i < layout.items; ++i) {
    new (owners + i * sizeof(AtomicU32)) AtomicU32(k_free);
    new (tries + i * sizeof(AtomicU32)) AtomicU32(0);
  }
  auto* ranges = memory.data() + layout.ranges_at();
  std::uint32_t end = 0;
  for (std::size_t i = 0; i < layout.ranges; ++i) {
    const PlanRange& range = plan.ranges[i];
    if (range.begin != end) return Error{ErrorCode::invalid_argument, "use the run board: the ranges of its plan are not in order", 0, i};
    end = range.end;
    new (ranges + i * sizeof(StoredRange)) StoredRange{end, range.least_steal};
  }
  if (layout.items > 0) std::memcpy(memory.data() + layout.order_at(), plan.order.data(), layout.items * sizeof(std::uint32_t));
  if (layout.resources > 0 && !plan.needs.empty()) {
    std::memcpy(memory.data() + layout.needs_at(), plan.needs.data(), layout.items * sizeof(std::uint64_t));
  }
  std::uint32_t seat_end = 0;
  for (std::size_t i = 0; i < layout.resources; ++i) {
    seat_end += seats_for(plan.seats[i], workers);
    std::memcpy(memory.data() + layout.seat_ends_at() + i * sizeof seat_end, &seat_end, sizeof seat_end);
  }
  for (std::size_t i = 0; i < layout.seats; ++i) new (memory.data() + layout.seats_at() + i * sizeof(AtomicU32)) AtomicU32(0);
  // The first ranges are dealt out beforehand: a worker that starts early must not take what a late one begins with.
  std::size_t dealt = 0;
  for (std::size_t i = 0; i < layout.workers; ++i) {
    auto* slot = new (memory.data() + layout.slots_at() + i * sizeof(Slot)) Slot{};
    slot->activity.store(BoardActivity{}.pack());
    slot->prefetched.store(k_no_position);
    if (i >= layout.ranges || plan.ranges[i].begin >= layout.items - layout.serial) continue;
    slot->range.store(BoardRange{plan.ranges[i].begin, plan.ranges[i].end}.pack());
    dealt = i + 1;
  }
  header->cursor.store(static_cast<std::uint32_t>(dealt));
  return open(memory);
}

Result<RunBoard> RunBoard::open(std::span<std::byte> memory) {
  const auto malformed = [](std::string_view what) {
    return Error{ErrorCode::malformed, "open the run board: " + std::string(what), 0, 0};
  };
  // The smallest board there is: enough to read the header.
  if (Status status = check(memory, Layout{0, 0, 1, 0, 0, 0}); !status) return std::move(status).error();
  const Header& header = *at<const Header>(memory, 0);
  if (header.magic != k_magic) return malformed("it has another magic number");
  if (header.version != k_version) return malformed("it is of version " + std::to_string(header.version));
  const Layout layout{header.items, header.ranges, header.workers, header.serial, header.resources, header.seats};
  if (Status status = check(memory, layout); !status) return std::move(status).error();
  if (header.size_bytes != layout.end()) return malformed("it has another size than its counts say");
  RunBoard board(memory, layout);
  if (!board.orders_every_item()) return malformed("its order does not name every item once");
  if (!board.ranges_cover_the_order()) return malformed("its ranges do not cover its order");
  if (!board.seats_add_up()) return malformed("its resources have other seats than it counts");
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
  std::uint32_t begin = 0;
  bool has_serial_begin = header_->serial == 0 || header_->serial == order_.size();
  for (const StoredRange& range : ranges_) {
    if (range.end <= begin || range.end > order_.size()) return false;
    begin = range.end;
    has_serial_begin = has_serial_begin || begin == order_.size() - header_->serial;
  }
  return begin == order_.size() && has_serial_begin;
}

bool RunBoard::seats_add_up() const {
  std::uint32_t begin = 0;
  for (const std::uint32_t end : seat_ends_) {
    if (end <= begin || end > seats_.size()) return false;
    begin = end;
  }
  return begin == seats_.size();
}

// ---------------------------------------------------------------- reading

std::size_t RunBoard::items() const noexcept { return order_.size(); }
std::size_t RunBoard::workers() const noexcept { return slots_.size(); }

std::uint32_t RunBoard::item_at(std::uint32_t position) const noexcept {
  if (position >= order_.size()) return k_no_item;
  const std::uint32_t item = order_[position];
  return item < order_.size() ? item : k_no_item;
}

std::uint32_t RunBoard::open_end() const noexcept {
  const auto items = static_cast<std::uint32_t>(order_.size());
  return header_->serial_open.load() != 0 ? items : items - std::min(header_->serial, items);
}

std::uint32_t RunBoard::begin_of(std::size_t range) const noexcept { return range == 0 ? 0 : ranges_[range - 1].end; }

std::uint32_t RunBoard::least_steal_at(std::uint32_t position) const noexcept {
  const auto found = std::upper_bound(ranges_.begin(), ranges_.end(), position,
                                      [](std::uint32_t at, const StoredRange& range) { return at < range.end; });
  return found == ranges_.end() ? 1 : found->least_steal;
}

void RunBoard::stop() noexcept {
  header_->stop.store(1);
  announce_release();
}

bool RunBoard::stopped() const noexcept { return header_->stop.load() != 0; }

SlotView RunBoard::slot(std::size_t index) const noexcept {
  SlotView view;
  if (index >= slots_.size()) return view;
  const Slot& slot = slots_[index];
  BoardActivity activity;
  // Parts that belong together are read until they did not change meanwhile; bounded, since anybody can write there.
  for (int tries = 0; tries < 16; ++tries) {
    view.pid = slot.pid.load();
    const std::uint64_t word = slot.activity.load();
    activity = BoardActivity::unpack(word);
    view.since_ns = slot.since_ns.load();
    view.done = slot.done.load();
    if (slot.activity.load() == word && slot.pid.load() == view.pid) break;
  }
  if (activity.item < order_.size()) view.item = activity.item;
  view.state = static_cast<WorkerState>(std::min(activity.state, static_cast<std::uint8_t>(WorkerState::gone)));
  if (activity.phase <= static_cast<std::uint8_t>(ItemPhase::teardown)) view.phase = static_cast<ItemPhase>(activity.phase);
  return view;
}

bool RunBoard::is_left_for(std::size_t index, std::uint32_t position) const noexcept {
  const std::uint32_t owner = owners_[position].load();
  if (owner == k_free) return true;
  return owner == claimed_by(index) && item_at(position) != BoardActivity::unpack(slots_[index].activity.load()).item;
}

bool RunBoard::has_work(std::size_t index) const noexcept {
  if (index >= slots_.size()) return false;
  const std::uint32_t end = open_end();
  for (std::uint32_t position = 0; position < end; ++position) {
    if (is_left_for(index, position)) return true;
  }
  return false;
}

bool RunBoard::has_serial_work() const noexcept { return open_end() < order_.size(); }

void RunBoard::open_serial() noexcept { header_->serial_open.store(1); }

}  // namespace pf::core
