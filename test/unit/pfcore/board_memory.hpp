// A run board in memory for tests, and plans without a planner.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <initializer_list>
#include <new>
#include <numeric>
#include <span>

#include <pfcore/run_board.hpp>

namespace pf::test {

// Zeroed, shared with the children that are forked later.
class SharedMemory {
 public:
  explicit SharedMemory(std::size_t size_bytes) : size_(size_bytes) {
    address_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (address_ == MAP_FAILED) throw std::bad_alloc();
  }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory() { ::munmap(address_, size_); }
  [[nodiscard]] std::span<std::byte> bytes() const { return {static_cast<std::byte*>(address_), size_}; }

 private:
  void* address_;
  std::size_t size_;
};

// Items 0 … n-1 in ranges of these sizes.
inline core::Plan plan_of(std::initializer_list<std::uint32_t> sizes, std::uint32_t least_steal = 1) {
  core::Plan plan;
  std::uint32_t begin = 0;
  for (const std::uint32_t size : sizes) {
    plan.ranges.push_back({begin, begin + size, least_steal});
    begin += size;
  }
  plan.order.resize(begin);
  std::iota(plan.order.begin(), plan.order.end(), 0u);
  return plan;
}

struct Board {
  Board(const core::Plan& plan, std::size_t workers)
      : memory(core::RunBoard::size_bytes(plan, workers)),
        board(core::RunBoard::create(memory.bytes(), plan, workers).value()) {}
  SharedMemory memory;
  core::RunBoard board;
};

}  // namespace pf::test
