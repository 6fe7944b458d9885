// Named resources: how many items may have one at a time. A seat is taken by writing the slot's number into it, so that the
// seats of a process that died are known.
#include <pfcore/run_board.hpp>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "run_board_layout.hpp"

namespace pf::core {
namespace {

constexpr timespec k_longest_wait{0, 50'000'000};

constexpr std::uint32_t taken_by(std::size_t slot) noexcept { return static_cast<std::uint32_t>(slot + 1); }

}  // namespace

RunBoard::Seats RunBoard::seats_of(std::size_t resource) const noexcept {
  const std::size_t end = std::min<std::size_t>(seat_ends_[resource], seats_.size());
  const std::size_t begin = std::min<std::size_t>(resource == 0 ? 0 : seat_ends_[resource - 1], end);
  return seats_.subspan(begin, end - begin);
}

bool RunBoard::take_seat(std::size_t resource, std::size_t index) noexcept {
  for (AtomicU32& seat : seats_of(resource)) {
    std::uint32_t expected = 0;
    if (seat.load() == 0 && seat.compare_exchange_strong(expected, taken_by(index))) return true;
  }
  return false;
}

bool RunBoard::drop_seats(std::size_t index) noexcept {
  bool any = false;
  for (AtomicU32& seat : seats_) {
    if (seat.load() != taken_by(index)) continue;
    seat.store(0);
    any = true;
  }
  return any;
}

bool RunBoard::acquire(std::size_t index) noexcept {
  if (index >= slots_.size() || needs_.empty()) return true;
  const std::uint32_t position = slots_[index].prefetched.load();
  if (position >= needs_.size() || needs_[position] == 0) return true;
  const std::uint64_t needs = needs_[position];
  const auto needed = [&](std::size_t resource) { return (needs >> resource & 1) != 0; };
  const auto is_free = [](const AtomicU32& seat) { return seat.load() == 0; };
  // Looked at before any is taken: two that wait for a third must not keep each other awake.
  for (std::size_t resource = 0; resource < seat_ends_.size(); ++resource) {
    const Seats seats = seats_of(resource);
    if (needed(resource) && std::none_of(seats.begin(), seats.end(), is_free)) return false;
  }
  for (std::size_t resource = 0; resource < seat_ends_.size(); ++resource) {
    if (!needed(resource) || take_seat(resource, index)) continue;
    (void)drop_seats(index);
    return false;
  }
  return true;
}

void RunBoard::release(std::size_t index) noexcept {
  if (index < slots_.size() && drop_seats(index)) announce_release();
}

std::uint32_t RunBoard::releases() const noexcept { return header_->releases.load(); }

// Between processes: std::atomic's own wait is for threads.
void RunBoard::announce_release() noexcept {
  header_->releases.fetch_add(1);
  if (!seats_.empty()) (void)::syscall(SYS_futex, &header_->releases, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

void RunBoard::wait_for_seat(std::uint32_t seen) const noexcept {
  (void)::syscall(SYS_futex, &header_->releases, FUTEX_WAIT, seen, &k_longest_wait, nullptr, 0);
}

}  // namespace pf::core
