// The identity of a file, folder or absent path, as the forkserver records it and the daemon compares it.
//
// A hash is 16 bytes (XXH3-128, canonical order) or empty when the path cannot be read. Thread-safe, fork-safe: no state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <pfcore/export.hpp>
#include <pfcore/messages.hpp>

PF_CORE_API_BEGIN
namespace pf::core {

// Time stamps this close to the moment of reading prove nothing: a second edit can hide in the same tick.
inline constexpr std::int64_t k_racy_ns = 2'000'000'000;

// What stat says of the path, symbolic links followed; mode 0 when nothing is there. A racy file or folder gets its
// content_hash too (hash_file or hash_listing), read after the stat. `path` should be absolute.
[[nodiscard]] InputFile identify(const std::string& path);
// The same without any hash.
[[nodiscard]] InputFile identify_only(const std::string& path);

// Hash of a regular file's content. A symbolic link's own text is part of it, so that a retargeted link differs even when
// the content does not.
[[nodiscard]] std::string hash_file(const std::string& path);
// Hash of a folder's entries, names and kinds, in no order; what is_ignored_entry names is left out.
[[nodiscard]] std::string hash_listing(const std::string& path);

// Names that Python, pytest, version control, other tools and editors drop into folders and that no collection depends
// on: __pycache__, *.pyc, .pytest_cache, .git, .coverage*, *~, .*.swp, #*#, …
[[nodiscard]] bool is_ignored_entry(std::string_view name) noexcept;
// Those of them that editors and tools make and remove while they work: nobody's suite asks for them by name.
[[nodiscard]] bool is_passing_entry(std::string_view name) noexcept;

// True when the file was changed less than two seconds before `now_ns` (system clock), or in its future.
[[nodiscard]] bool is_racy(const InputFile& input, std::int64_t now_ns) noexcept;
// The system clock as file time stamps count it.
[[nodiscard]] std::int64_t file_clock_ns() noexcept;

// dev, ino, mode, size, mtime and ctime are equal; the hash does not count.
[[nodiscard]] bool same_identity(const InputFile& a, const InputFile& b) noexcept;

}  // namespace pf::core
PF_CORE_API_END
