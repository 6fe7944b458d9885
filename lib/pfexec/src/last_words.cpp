#include "last_words.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>

#include <pfcore/messages.hpp>

namespace pf::exec {
namespace {

constexpr off_t k_sections_at = 0;
constexpr off_t k_output_at = off_t{1} << 30;      // a file in memory has no bytes between what was written
constexpr std::size_t k_max_record = 64u << 20;
constexpr std::size_t k_max_stacks = 256u << 10;
constexpr std::size_t k_most_text = 1u << 20;      // of captured output: its beginning and its end are kept

core::UniqueFd make_file(const char* name) { return core::UniqueFd(::memfd_create(name, MFD_CLOEXEC)); }

core::UniqueFd duplicate(const core::UniqueFd& fd) { return core::UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3)); }

bool write_at(int fd, std::string_view bytes, off_t at) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), at);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
    at += count;
  }
  return true;
}

std::string read_at(int fd, std::size_t size, off_t at) {
  std::string out(size, '\0');
  std::size_t got = 0;
  while (got < size) {
    const ssize_t count = ::pread(fd, out.data() + got, size - got, at + static_cast<off_t>(got));
    if (count <= 0) break;
    got += static_cast<std::size_t>(count);
  }
  out.resize(got);
  return out;
}

void write_record(int fd, off_t at, std::string_view bytes) {
  const std::uint64_t none = 0;
  const std::uint64_t size = bytes.size();
  const auto length = [&](const std::uint64_t& value) { return std::string_view(reinterpret_cast<const char*>(&value), sizeof value); };
  if (!write_at(fd, length(none), at) || size == 0 || size > k_max_record) return;
  if (write_at(fd, bytes, at + static_cast<off_t>(sizeof size))) (void)write_at(fd, length(size), at);
}

std::string read_record(int fd, off_t at) {
  std::uint64_t size = 0;
  if (::pread(fd, &size, sizeof size, at) != static_cast<ssize_t>(sizeof size) || size == 0 || size > k_max_record) return {};
  std::string bytes = read_at(fd, static_cast<std::size_t>(size), at + static_cast<off_t>(sizeof size));
  if (bytes.size() != size) bytes.clear();
  return bytes;
}

std::size_t size_of(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && info.st_size > 0 ? static_cast<std::size_t>(info.st_size) : 0;
}

std::string read_bounded(const core::UniqueFd& fd, std::size_t most) {
  if (!fd.valid()) return {};
  const std::size_t size = size_of(fd.get());
  if (size <= most) return read_at(fd.get(), size, 0);
  const std::size_t half = most / 2;
  return read_at(fd.get(), half, 0) + "\n... " + std::to_string(size - 2 * half) + " bytes left out by pfast ...\n" +
         read_at(fd.get(), half, static_cast<off_t>(size - half));
}

}  // namespace

LastWords LastWords::create() {
  LastWords words;
  words.out = make_file("pfast-stdout");
  words.err = make_file("pfast-stderr");
  words.stacks = make_file("pfast-stacks");
  words.notes = make_file("pfast-notes");
  if (!words.out.valid() || !words.err.valid() || !words.stacks.valid()) return {};
  return words.notes.valid() ? std::move(words) : LastWords();
}

LastWords LastWords::share() const {
  LastWords words;
  if (!valid()) return words;
  words.out = duplicate(out);
  words.err = duplicate(err);
  words.stacks = duplicate(stacks);
  words.notes = duplicate(notes);
  return words.notes.valid() ? std::move(words) : LastWords();
}

void LastWords::note_sections(const Sections& sections) {
  if (!valid() || (sections.empty() && !noted_)) return;
  noted_ = !sections.empty();
  core::PhaseReport phase;
  phase.sections = sections;
  core::ItemResult carrier;
  carrier.phases.push_back(std::move(phase));
  write_record(notes.get(), k_sections_at, noted_ ? core::encode(carrier) : std::string());
}

void LastWords::note_output(std::string_view bytes) {
  if (valid()) write_record(notes.get(), k_output_at, bytes);
}

Sections LastWords::read_sections(std::string_view phase) const {
  Sections sections;
  if (!valid()) return sections;
  const std::string note = read_record(notes.get(), k_sections_at);
  if (auto document = core::decode_pickle(note, core::Limits::result()); !note.empty() && document) {
    auto carrier = core::decode_as<core::ItemResult>(document->root());
    if (carrier && !carrier->phases.empty()) sections = std::move(carrier->phases[0].sections);
  }
  const auto add = [&](const char* stream, const core::UniqueFd& fd) {
    std::string text = read_bounded(fd, k_most_text);
    if (!text.empty()) sections.emplace_back("Captured " + std::string(stream) + " " + std::string(phase), std::move(text));
  };
  add("stdout", out);
  add("stderr", err);
  return sections;
}

std::string LastWords::read_stacks() const { return read_bounded(stacks, k_max_stacks); }

std::string LastWords::read_output() const { return valid() ? read_record(notes.get(), k_output_at) : std::string(); }

}  // namespace pf::exec
