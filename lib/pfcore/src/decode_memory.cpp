#include "decode_memory.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include <sys/mman.h>

namespace pf::core::detail {
namespace {

constexpr std::size_t k_map_from_bytes = 256u << 10;
constexpr std::size_t k_page_bytes = 4096;
constexpr std::size_t k_largest_first_chunk_bytes = 128u << 10;
constexpr std::size_t k_largest_chunk_bytes = 1u << 20;

std::size_t whole_pages(std::size_t bytes) noexcept { return (bytes + k_page_bytes - 1) / k_page_bytes * k_page_bytes; }

void* map_pages(std::size_t bytes) {
  void* pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  return pages;
}

void release(Block* block) noexcept {
  if (block->mapped) ::munmap(block, block->bytes);
  else std::free(block);
}

}  // namespace

BlockList::~BlockList() {
  while (first_ != nullptr) {
    Block* const block = first_;
    first_ = block->next;
    release(block);
  }
}

void BlockList::add(Block* block) noexcept {
  block->previous = nullptr;
  block->next = first_;
  if (first_ != nullptr) first_->previous = block;
  first_ = block;
  bytes_ += block->bytes;
}

void BlockList::remove(Block* block) noexcept {
  if (block->previous != nullptr) block->previous->next = block->next;
  else first_ = block->next;
  if (block->next != nullptr) block->next->previous = block->previous;
  bytes_ -= block->bytes;
}

Block* DecodeMemory::new_block(std::size_t capacity, bool may_grow) {
  std::size_t bytes = k_block_header_bytes + capacity;
  const bool mapped = may_grow && bytes >= k_map_from_bytes;
  if (mapped) bytes = whole_pages(bytes);
  if (!charge(bytes)) return nullptr;
  void* place = mapped ? map_pages(bytes) : std::malloc(bytes);
  if (place == nullptr) throw std::bad_alloc();
  return new (place) Block{nullptr, nullptr, bytes, mapped};
}

Block* DecodeMemory::resize_block(Block* block, std::size_t capacity) {
  const std::size_t bytes = k_block_header_bytes + capacity;
  if (block->mapped) return map_larger(block, whole_pages(bytes));
  if (bytes >= k_map_from_bytes) {
    Block* const larger = new_block(capacity);
    if (larger == nullptr) return nullptr;
    std::memcpy(larger->data(), block->data(), block->capacity());
    free_block(block);
    return larger;
  }
  // For a moment both copies may exist.
  if (!charge(bytes)) return nullptr;
  refund(block->bytes);
  void* const place = std::realloc(block, bytes);
  if (place == nullptr) throw std::bad_alloc();
  auto* const resized = static_cast<Block*>(place);
  resized->bytes = bytes;
  return resized;
}

Block* DecodeMemory::map_larger(Block* block, std::size_t bytes) {
  if (bytes <= block->bytes) return block;
  const std::size_t more = bytes - block->bytes;
  if (!charge(more)) return nullptr;
  void* const place = ::mremap(block, block->bytes, bytes, MREMAP_MAYMOVE);
  if (place == MAP_FAILED) throw std::bad_alloc();
  auto* const moved = static_cast<Block*>(place);
  moved->bytes = bytes;
  return moved;
}

Block* DecodeMemory::trim_block(Block* block, std::size_t capacity) noexcept {
  const std::size_t bytes = k_block_header_bytes + capacity;
  const std::size_t kept = block->mapped ? whole_pages(bytes) : bytes;
  if (kept >= block->bytes) return block;
  void* const place = block->mapped ? ::mremap(block, block->bytes, kept, 0) : std::realloc(block, kept);
  if (place == nullptr || place == MAP_FAILED) return block;
  auto* const trimmed = static_cast<Block*>(place);
  refund(trimmed->bytes - kept);
  trimmed->bytes = kept;
  return trimmed;
}

void DecodeMemory::free_block(Block* block) noexcept {
  refund(block->bytes);
  release(block);
}

std::size_t DecodeMemory::growth(std::size_t current, std::size_t needed) const noexcept {
  // Mapped blocks grow without a copy, so that they can do it in smaller steps.
  const std::size_t more = current < k_map_from_bytes ? current / 2 : current / 4;
  const std::size_t roomy = std::max(needed, current + more);
  if (allows(roomy)) return roomy;
  return needed;
}

void* DecodeMemory::allocate_slow(std::size_t bytes) {
  // A chunk fits what most pickles need: the text that is to come, and as much again for its structure.
  const std::size_t likely = 256 + 2 * static_cast<std::size_t>(input_.end - input_.at);
  const std::size_t most = chunk_bytes_ == 0 ? k_largest_first_chunk_bytes : std::min(2 * chunk_bytes_, k_largest_chunk_bytes);
  const std::size_t usual = std::min(likely, most);
  // A large piece does not end the chunk in use.
  const bool alone = bytes > k_largest_first_chunk_bytes / 2 && chunk_at_ != nullptr;
  std::size_t capacity = alone ? bytes : std::max(bytes, usual);
  if (!allows(capacity + k_block_header_bytes)) capacity = std::max(bytes, std::min(capacity, k_page_bytes));
  Block* const chunk = new_block(capacity, false);
  if (chunk == nullptr) return nullptr;
  own(chunk);
  if (alone) return chunk->data();
  chunk_bytes_ = capacity;
  chunk_at_ = chunk->data() + bytes;
  chunk_end_ = chunk->data() + chunk->capacity();
  return chunk->data();
}

}  // namespace pf::core::detail
