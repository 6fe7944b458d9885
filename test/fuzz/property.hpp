// What the fuzz targets share: properties that must hold, and the input taken apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

// Ends the process, so that the fuzzer keeps the input. NDEBUG does not matter.
#define PF_PROPERTY(holds)                                                               \
  do {                                                                                   \
    if (!(holds)) {                                                                      \
      std::fprintf(stderr, "%s:%d: property broken: %s\n", __FILE__, __LINE__, #holds); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)

namespace pf::fuzz {

// Small decisions from the front of the input; 0 when it is used up.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) noexcept : data_(data), size_(size) {}

  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::uint8_t byte() noexcept {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  // 0 … most
  [[nodiscard]] std::size_t up_to(std::size_t most) noexcept {
    const std::size_t low = byte();
    return (low | std::size_t{byte()} << 8) % (most + 1);
  }
  [[nodiscard]] std::string_view rest() const noexcept { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

}  // namespace pf::fuzz
