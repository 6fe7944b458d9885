// The memory of one decoding: every byte is asked for against a bound that grows with the input read so far, so that
// a hostile pickle is refused before it costs more than it weighs.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pf::core::detail {

// The pickle that is being read. Opcodes may read up to `limit`: the end of the current FRAME or of the pickle.
struct Input {
  const char* begin;
  const char* at;
  const char* limit;
  const char* end;

  [[nodiscard]] std::size_t consumed() const noexcept { return static_cast<std::size_t>(at - begin); }
  [[nodiscard]] std::size_t left() const noexcept { return static_cast<std::size_t>(limit - at); }
};

// A piece of memory with its header before the data. Pieces that may grow are mapped from 256 KiB on, so that no
// second copy is alive for a moment.
struct Block {
  Block* next;
  Block* previous;
  std::size_t bytes;  // header included
  bool mapped;

  [[nodiscard]] char* data() noexcept;
  [[nodiscard]] std::size_t capacity() const noexcept;
};
inline constexpr std::size_t k_block_header_bytes = (sizeof(Block) + 15) / 16 * 16;
inline char* Block::data() noexcept { return reinterpret_cast<char*>(this) + k_block_header_bytes; }
inline std::size_t Block::capacity() const noexcept { return bytes - k_block_header_bytes; }
[[nodiscard]] inline Block* block_of(void* data) noexcept {
  return reinterpret_cast<Block*>(static_cast<char*>(data) - k_block_header_bytes);
}

// The blocks that a Document owns.
class BlockList {
 public:
  BlockList() noexcept = default;
  BlockList(const BlockList&) = delete;
  BlockList& operator=(const BlockList&) = delete;
  ~BlockList();

  void add(Block* block) noexcept;
  void remove(Block* block) noexcept;
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  Block* first_ = nullptr;
  std::size_t bytes_ = 0;
};

// Hands out memory for one decoding. Every function that returns a pointer returns null when the bound forbids it, and
// throws std::bad_alloc when the system has no more.
class DecodeMemory {
 public:
  DecodeMemory(const Input& input, BlockList& owned) noexcept : input_(input), owned_(owned) {}
  DecodeMemory(const DecodeMemory&) = delete;
  DecodeMemory& operator=(const DecodeMemory&) = delete;

  // Small things that live as long as the Document; aligned for pointers.
  [[nodiscard]] void* allocate(std::size_t bytes) {
    bytes = (bytes + 7) & ~std::size_t{7};
    if (bytes > static_cast<std::size_t>(chunk_end_ - chunk_at_)) return allocate_slow(bytes);
    char* out = chunk_at_;
    chunk_at_ += bytes;
    return out;
  }
  template <typename T>
  [[nodiscard]] T* make() {
    void* place = allocate(sizeof(T));
    return place == nullptr ? nullptr : new (place) T();
  }

  // Blocks belong to the caller until own() gives them to the Document.
  [[nodiscard]] Block* new_block(std::size_t capacity, bool may_grow = true);
  // Keeps the content. Null leaves the block as it was.
  [[nodiscard]] Block* resize_block(Block* block, std::size_t capacity);
  // Gives the end of the block back.
  [[nodiscard]] Block* trim_block(Block* block, std::size_t capacity) noexcept;
  void free_block(Block* block) noexcept;
  void own(Block* block) noexcept { owned_.add(block); }
  void disown(Block* block) noexcept { owned_.remove(block); }
  // A capacity for an array that must hold `needed`: a part more than there was where the bound has room, else
  // just enough.
  [[nodiscard]] std::size_t growth(std::size_t current, std::size_t needed) const noexcept;

  // Counts memory that is going to be needed, or that a reader of the value would need.
  [[nodiscard]] bool charge(std::size_t bytes) noexcept {
    if (!allows(bytes)) return false;
    used_ += bytes;
    return true;
  }
  void refund(std::size_t bytes) noexcept { used_ -= bytes; }
  // Bytes of the pickle that have been read.
  [[nodiscard]] std::size_t consumed() const noexcept { return input_.consumed(); }

 private:
  [[nodiscard]] bool allows(std::size_t more) const noexcept { return more <= bound() && used_ <= bound() - more; }
  [[nodiscard]] std::size_t bound() const noexcept { return 8 * input_.consumed() + (std::size_t{1} << 20); }
  [[nodiscard]] void* allocate_slow(std::size_t bytes);
  [[nodiscard]] Block* map_larger(Block* block, std::size_t bytes);

  const Input& input_;
  BlockList& owned_;
  std::size_t used_ = 0;
  char* chunk_at_ = nullptr;
  char* chunk_end_ = nullptr;
  std::size_t chunk_bytes_ = 0;
};

}  // namespace pf::core::detail
