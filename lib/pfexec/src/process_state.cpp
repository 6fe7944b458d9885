#include "process_state.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace pf::exec {

core::Result<std::unique_ptr<MappedBoard>> MappedBoard::map(const core::UniqueFd& memfd) {
  struct stat info {};
  if (::fstat(memfd.get(), &info) != 0) return core::Error::from_errno("fstat the run board", errno);
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size == 0) return core::Error{core::ErrorCode::malformed, "map the run board: it is empty", 0, 0};
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd.get(), 0);
  if (address == MAP_FAILED) return core::Error::from_errno("map the run board", errno);
  std::unique_ptr<MappedBoard> mapped(new MappedBoard({static_cast<std::byte*>(address), size}));
  auto opened = core::RunBoard::open(mapped->memory_);
  if (!opened) return std::move(opened).error();
  mapped->board_.emplace(std::move(opened).value());
  return mapped;
}

MappedBoard::~MappedBoard() { ::munmap(memory_.data(), memory_.size()); }

ProcessState& ProcessState::current() noexcept {
  static ProcessState state;
  return state;
}

namespace {

std::uint64_t clock_ns(clockid_t clock) noexcept {
  struct timespec now {};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

std::uint64_t monotonic_ns() noexcept { return clock_ns(CLOCK_MONOTONIC); }
double monotonic_s() noexcept { return static_cast<double>(monotonic_ns()) * 1e-9; }
double cpu_s() noexcept { return static_cast<double>(clock_ns(CLOCK_PROCESS_CPUTIME_ID)) * 1e-9; }

// Opened anew each time: a test may close every descriptor that it finds, and open others in their places.
double queued_s() noexcept {
  const core::UniqueFd file(::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC));
  char text[96];
  const ssize_t size = file.valid() ? ::read(file.get(), text, sizeof text - 1) : -1;
  if (size <= 0) return 0;
  text[size] = '\0';
  char* rest = nullptr;   // "<ns on a processor> <ns in the queue> <slices>"
  (void)std::strtoull(text, &rest, 10);
  return static_cast<double>(std::strtoull(rest, nullptr, 10)) * 1e-9;
}

void leave(int status) noexcept { ::_exit(status); }

}  // namespace pf::exec
