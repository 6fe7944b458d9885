// Shared memory for one run board: a memfd that cannot be shrunk under the daemon's feet, mapped.
#pragma once

#include <cstddef>
#include <span>

#include <pfcore/result.hpp>
#include <pfcore/unique_fd.hpp>

namespace pf::ctl {

class BoardMemory {
 public:
  BoardMemory() noexcept = default;
  // Zeroed memory. Errors: system.
  [[nodiscard]] static core::Result<BoardMemory> create(std::size_t size_bytes);
  BoardMemory(BoardMemory&& other) noexcept;
  BoardMemory& operator=(BoardMemory&& other) noexcept;
  ~BoardMemory();

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
  // Another descriptor of the same memory, to be sent away.
  [[nodiscard]] core::Result<core::UniqueFd> share() const;

 private:
  core::UniqueFd fd_;
  std::span<std::byte> bytes_;
};

}  // namespace pf::ctl
