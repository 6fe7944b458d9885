#include "page_rehearsal.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include <pfcore/unique_fd.hpp>

namespace pf::exec {
namespace {

// Pages that a spare touches at most, about 8 ms: a run that needs more is no short one.
constexpr std::size_t k_capacity = 8192;
constexpr std::uintptr_t k_page_bytes = 4096;
constexpr std::uint64_t k_present = std::uint64_t{1} << 63;
constexpr std::uint64_t k_exclusive = std::uint64_t{1} << 56;

struct Region {
  std::uintptr_t begin;
  std::uintptr_t end;
  bool writable;
};

// Private mappings that can be touched without an effect: no shared memory, no kernel pages, no stack.
std::vector<Region> private_regions() {
  std::vector<Region> regions;
  std::FILE* maps = std::fopen("/proc/self/maps", "re");
  if (maps == nullptr) return regions;
  char line[512];
  while (std::fgets(line, sizeof line, maps) != nullptr) {
    unsigned long begin = 0;
    unsigned long end = 0;
    char mode[5] = "";
    if (std::sscanf(line, "%lx-%lx %4s", &begin, &end, mode) != 3) continue;
    if (mode[0] != 'r' || mode[3] != 'p' || std::strstr(line, "[v") != nullptr || std::strstr(line, "[stack") != nullptr) continue;
    regions.push_back({begin, end, mode[1] == 'w'});
  }
  std::fclose(maps);
  return regions;
}

}  // namespace

struct PageRehearsal::Table {
  std::size_t count;
  std::uintptr_t pages[k_capacity];                  // address | 1 when it is to be written
};

PageRehearsal& PageRehearsal::instance() noexcept {
  static PageRehearsal rehearsal;
  return rehearsal;
}

void PageRehearsal::prepare() noexcept {
  if (table_ != nullptr || ::sysconf(_SC_PAGESIZE) != static_cast<long>(k_page_bytes)) return;
  void* memory = ::mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory != MAP_FAILED) table_ = static_cast<Table*>(memory);
}

namespace {

// Appends the region's pages that are this process' own (writable ones) or mapped (the others): address | 1 when written to.
void add_region(int pagemap, std::uintptr_t begin, std::uintptr_t end, bool writable, std::vector<std::uintptr_t>& pages) {
  std::uint64_t states[512];
  for (std::uintptr_t page = begin; page < end;) {
    const std::size_t wanted = std::min<std::size_t>(512, (end - page) / k_page_bytes);
    const ssize_t got = ::pread(pagemap, states, wanted * sizeof states[0], static_cast<off_t>(page / k_page_bytes * sizeof states[0]));
    if (got <= 0) return;
    for (std::size_t i = 0; i < static_cast<std::size_t>(got) / sizeof states[0]; ++i, page += k_page_bytes) {
      if ((states[i] & k_present) == 0) continue;
      const bool own = (states[i] & k_exclusive) != 0;
      if (own && writable) pages.push_back(page | 1u);
      else if (!writable) pages.push_back(page);     // code and constants: mapped again in every child, by reading
    }
    if (pages.size() > k_capacity) return;
  }
}

}  // namespace

void PageRehearsal::note() noexcept {
  if (table_ == nullptr) return;
  const core::UniqueFd pagemap(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  if (!pagemap) return;
  std::vector<std::uintptr_t> pages;
  for (const Region& region : private_regions()) {
    add_region(pagemap.get(), region.begin, region.end, region.writable, pages);
    if (pages.size() > k_capacity) break;
  }
  if (pages.size() <= k_capacity) {
    std::copy(pages.begin(), pages.end(), table_->pages);
    table_->count = pages.size();
  } else if (table_->count > k_capacity / 2) {
    // What was rehearsed counts as the run's own, so the table only grows: it begins anew. (A small table is kept: the run
    // itself was a large one, and its like are not what a spare is for.)
    table_->count = 0;
  }
}

void PageRehearsal::replay() const noexcept {
  if (table_ == nullptr) return;
  // Only pages that exist in this process: the run that was noted had mappings of its own, too.
  const std::vector<Region> regions = private_regions();
  const std::size_t count = std::min(table_->count, k_capacity);
  auto region = regions.begin();
  for (std::size_t i = 0; i < count; ++i) {
    const std::uintptr_t page = table_->pages[i] & ~(k_page_bytes - 1);
    while (region != regions.end() && region->end <= page) ++region;
    if (region == regions.end()) return;
    if (page < region->begin) continue;
    auto* byte = reinterpret_cast<volatile char*>(page);
    const char value = *byte;
    if ((table_->pages[i] & 1u) != 0 && region->writable) *byte = value;
  }
}

}  // namespace pf::exec
