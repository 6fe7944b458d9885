#include "process_title.hpp"

#include <sys/prctl.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace pf::exec {
namespace {

struct Room {
  char* begin = nullptr;
  std::size_t size = 0;       // without the NUL at its end: the kernel looks there for programs that write on into the environment
  std::size_t title = 0;
  std::size_t used = 0;
};

Room& room() noexcept {
  static Room instance;
  return instance;
}

void write(std::size_t at, std::string_view text) noexcept {
  Room& r = room();
  const std::size_t count = std::min(text.size(), r.size - at);
  std::memcpy(r.begin + at, text.data(), count);
  const std::size_t end = at + count;
  if (end < r.used) std::memset(r.begin + end, 0, r.used - end);
  r.used = end;
}

}  // namespace

void claim_title_room(int argc, char** argv) noexcept {
  if (argc < 1) return;
  // One string behind the other, as the kernel lays them out; anything else is not ours to write to.
  char* end = argv[0];
  for (int i = 0; i < argc; ++i) {
    if (argv[i] != end) return;
    end += std::strlen(argv[i]) + 1;
  }
  Room& r = room();
  r.begin = argv[0];
  r.size = static_cast<std::size_t>(end - argv[0]) - 1;
  r.used = r.size;
}

void set_title(std::string_view title, std::string_view name) noexcept {
  if (!name.empty()) {
    char kernel_name[16] = {};
    std::memcpy(kernel_name, name.data(), std::min(name.size(), sizeof kernel_name - 1));
    ::prctl(PR_SET_NAME, kernel_name, 0, 0, 0);
  }
  Room& r = room();
  if (r.begin == nullptr) return;
  write(0, title);
  r.title = r.used;
}

void set_title_detail(std::string_view detail) noexcept {
  Room& r = room();
  if (r.begin == nullptr) return;
  std::size_t at = r.title;
  if (at + 2 <= r.size) {
    r.begin[at] = ':';
    r.begin[at + 1] = ' ';
    at += 2;
  }
  write(at, detail);
}

}  // namespace pf::exec
