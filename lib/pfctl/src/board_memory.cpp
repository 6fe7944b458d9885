#include <pfctl/board_memory.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace pf::ctl {

core::Result<BoardMemory> BoardMemory::create(std::size_t size_bytes) {
  BoardMemory memory;
  memory.fd_.reset(::memfd_create("pfast-run-board", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.fd_.valid()) return core::Error::from_errno("make the run board", errno);
  if (::ftruncate(memory.fd_.get(), static_cast<off_t>(size_bytes)) != 0) return core::Error::from_errno("size the run board", errno);
  // A test that truncates every descriptor it finds must not turn the daemon's next read into SIGBUS.
  if (::fcntl(memory.fd_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return core::Error::from_errno("seal the run board", errno);
  }
  void* address = ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd_.get(), 0);
  if (address == MAP_FAILED) return core::Error::from_errno("map the run board", errno);
  memory.bytes_ = {static_cast<std::byte*>(address), size_bytes};
  return memory;
}

BoardMemory::BoardMemory(BoardMemory&& other) noexcept : fd_(std::move(other.fd_)), bytes_(std::exchange(other.bytes_, {})) {}

BoardMemory& BoardMemory::operator=(BoardMemory&& other) noexcept {
  if (this != &other) {
    if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
    fd_ = std::move(other.fd_);
    bytes_ = std::exchange(other.bytes_, {});
  }
  return *this;
}

BoardMemory::~BoardMemory() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

core::Result<core::UniqueFd> BoardMemory::share() const {
  core::UniqueFd copy(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 4));
  if (!copy.valid()) return core::Error::from_errno("share the run board", errno);
  return copy;
}

}  // namespace pf::ctl
