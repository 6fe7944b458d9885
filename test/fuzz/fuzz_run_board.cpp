// RunBoard: memory that is anything, and memory that changes while it is used. Nothing is read or written outside of it,
// no index is out of range, no call hangs, and an honest board gives every item once.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <numeric>
#include <span>
#include <vector>

#include <pfcore/run_board.hpp>

#include "property.hpp"

namespace {

using namespace pf::core;
using pf::fuzz::Choices;

constexpr std::size_t k_most_items = 40;
constexpr std::size_t k_most_workers = 5;

// Of the exact size, so that the sanitizer knows its ends.
class Memory {
 public:
  explicit Memory(std::size_t size) : size_(size), data_(static_cast<std::byte*>(::operator new(size, k_alignment))) {
    std::memset(data_, 0, size);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { ::operator delete(data_, k_alignment); }
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {data_, size_}; }

 private:
  static constexpr std::align_val_t k_alignment{64};
  std::size_t size_;
  std::byte* data_;
};

Plan plan_of(Choices& choices) {
  Plan plan;
  plan.order.resize(choices.up_to(k_most_items));
  std::iota(plan.order.begin(), plan.order.end(), 0u);
  for (std::size_t i = plan.order.size(); i > 1; --i) std::swap(plan.order[i - 1], plan.order[choices.up_to(i - 1)]);
  for (std::uint32_t begin = 0; begin < plan.order.size();) {
    const auto most = static_cast<std::uint32_t>(plan.order.size()) - begin;
    const std::uint32_t size = 1 + static_cast<std::uint32_t>(choices.up_to(most - 1));
    plan.ranges.push_back({begin, begin + size, choices.byte() % 4 == 0 ? k_never_cut : 1u + choices.byte() % 3u});
    begin += size;
  }
  return plan;
}

// What the daemon asks; it must hold for any memory.
void look_at(const RunBoard& board) {
  for (std::size_t slot = 0; slot <= board.workers(); ++slot) {
    const SlotView view = board.slot(slot);
    PF_PROPERTY(view.item == k_no_item || view.item < board.items());
    PF_PROPERTY(view.state <= WorkerState::gone);
    PF_PROPERTY(view.phase <= ItemPhase::teardown);
    (void)board.has_work(slot);
  }
  (void)board.stopped();
}

// One call of a worker's. The claimed item, or k_no_item.
std::uint32_t act(RunBoard& board, Choices& choices) {
  const std::size_t slot = choices.up_to(board.workers());  // one too many at times
  switch (choices.byte() % 8) {
    case 0: board.attach(slot, choices.byte()); break;
    case 1: board.set_phase(slot, static_cast<ItemPhase>(choices.byte() % 4)); break;
    case 2: board.finish_item(slot); break;
    case 3: board.set_state(slot, static_cast<WorkerState>(choices.byte() % 6)); break;
    default: {
      const std::optional<Claim> claim = board.claim(slot, choices.byte());
      if (!claim) break;
      PF_PROPERTY(claim->item == k_no_item || claim->item < board.items());
      PF_PROPERTY(claim->next == k_no_item || claim->next < board.items());
      return claim->item;
    }
  }
  return k_no_item;
}

void check_honest(Choices& choices) {
  const Plan plan = plan_of(choices);
  const std::size_t workers = 1 + choices.up_to(k_most_workers - 1);
  const Memory memory(RunBoard::size_bytes(plan, workers));
  Result<RunBoard> created = RunBoard::create(memory.bytes(), plan, workers);
  PF_PROPERTY(created.ok());
  Result<RunBoard> opened = RunBoard::open(memory.bytes());
  PF_PROPERTY(opened.ok());
  std::vector<bool> claimed(plan.order.size());
  const auto note = [&](std::uint32_t item) {
    if (item == k_no_item) return;
    PF_PROPERTY(!claimed[item]);
    claimed[item] = true;
  };
  while (!choices.empty()) {
    note(act(choices.byte() % 2 == 0 ? *created : *opened, choices));
    look_at(*opened);
  }
  // Whatever happened, the rest is there for those who ask.
  for (bool any = true; any;) {
    any = false;
    for (std::size_t slot = 0; slot < workers; ++slot) {
      while (const std::optional<Claim> claim = opened->claim(slot, 1)) {
        note(claim->item);
        any = true;
      }
    }
  }
  PF_PROPERTY(std::all_of(claimed.begin(), claimed.end(), [](bool one) { return one; }));
}

// Anybody may write anything there, at any time.
void check_hostile(Choices& choices, const std::span<std::byte> memory) {
  Result<RunBoard> board = RunBoard::open(memory);
  if (!board) return;
  while (!choices.empty()) {
    if (choices.byte() % 2 == 0) memory[choices.up_to(memory.size() - 1)] = std::byte{choices.byte()};
    else (void)act(*board, choices);
    look_at(*board);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Choices choices(data, size);
  switch (choices.byte() % 3) {
    case 0: check_honest(choices); break;
    case 1: {  // a real board, scribbled upon
      const Plan plan = plan_of(choices);
      const std::size_t workers = 1 + choices.up_to(k_most_workers - 1);
      const Memory memory(RunBoard::size_bytes(plan, workers));
      PF_PROPERTY(RunBoard::create(memory.bytes(), plan, workers).ok());
      check_hostile(choices, memory.bytes());
      break;
    }
    default: {  // the memory is the input
      const std::string_view rest = choices.rest();
      const Memory memory(rest.size());
      std::memcpy(memory.bytes().data(), rest.data(), rest.size());
      Choices none(nullptr, 0);
      check_hostile(none, memory.bytes());
    }
  }
  return 0;
}
