// What a forked child of the warm process is connected to. One per process, set right after the fork.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <pfcore/frame_socket.hpp>
#include <pfcore/messages.hpp>
#include <pfcore/run_board.hpp>

#include "last_words.hpp"

namespace pf::exec {

// A run board mapped from a descriptor that the daemon sent. Unmapped with its owner; forks share the mapping.
class MappedBoard {
 public:
  [[nodiscard]] static core::Result<std::unique_ptr<MappedBoard>> map(const core::UniqueFd& memfd);
  ~MappedBoard();
  MappedBoard(const MappedBoard&) = delete;
  MappedBoard& operator=(const MappedBoard&) = delete;
  [[nodiscard]] core::RunBoard& board() noexcept { return *board_; }

 private:
  explicit MappedBoard(std::span<std::byte> memory) noexcept : memory_(memory) {}
  std::span<std::byte> memory_;
  std::optional<core::RunBoard> board_;
};

enum class Role : unsigned char { forkserver, controller, worker };

struct ProcessState {
  Role role = Role::forkserver;
  core::FrameSocket daemon;                     // forkserver: its channel; controller: its own; worker: unused
  core::FrameSocket results;                    // where ItemResults go: a worker's channel, or the controller's for an inline run
  std::unique_ptr<MappedBoard> board;
  core::RunRequest request;                     // that this process works for
  LastWords last_words;                         // of this worker
  std::size_t slot = 0;
  std::string python;                           // that the interpreter was started as
  double started_s = 0;                         // CLOCK_MONOTONIC of the fork
  bool measures = false;                        // RunOptions.measure is not empty

  [[nodiscard]] static ProcessState& current() noexcept;
};

// Seconds of CLOCK_MONOTONIC and of this process' processor time.
[[nodiscard]] double monotonic_s() noexcept;
[[nodiscard]] std::uint64_t monotonic_ns() noexcept;
[[nodiscard]] double cpu_s() noexcept;
// Seconds that this thread was ready to run and had no processor, since it began; 0 where the kernel does not say. A system call
// or three: for measured runs.
[[nodiscard]] double queued_s() noexcept;

// A forked child's own end when there is nobody left to talk to: no Python clean-up, no atexit.
[[noreturn]] void leave(int status) noexcept;

}  // namespace pf::exec
