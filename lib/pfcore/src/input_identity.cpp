#include <pfcore/input_identity.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <ctime>
#include <memory>
#include <vector>

#include <pfcore/unique_fd.hpp>

#define XXH_INLINE_ALL
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#endif
#include <xxhash.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace pf::core {
namespace {

constexpr std::size_t k_read_bytes = 64 * 1024;

std::int64_t nanoseconds(const struct timespec& time) noexcept {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

class Hasher {
 public:
  Hasher() noexcept { XXH3_128bits_reset(&state_); }
  void add(std::string_view bytes) noexcept { XXH3_128bits_update(&state_, bytes.data(), bytes.size()); }
  [[nodiscard]] std::string finish() const {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state_));
    return {reinterpret_cast<const char*>(canonical.digest), sizeof canonical.digest};
  }

 private:
  XXH3_state_t state_;
};

// The link's own text when the path is a symbolic link. NUL in front: no content or name ends like this by accident.
void add_link_text(Hasher& hasher, const std::string& path) {
  std::array<char, PATH_MAX> target;
  const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
  if (length <= 0) return;
  hasher.add(std::string_view("\0link\0", 6));
  hasher.add({target.data(), static_cast<std::size_t>(length)});
}

bool add_content(Hasher& hasher, int fd) {
  std::array<char, k_read_bytes> buffer;
  for (;;) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    if (got == 0) return true;
    hasher.add({buffer.data(), static_cast<std::size_t>(got)});
  }
}

char kind_of(mode_t mode) noexcept {
  if (S_ISREG(mode)) return 'f';
  if (S_ISDIR(mode)) return 'd';
  return 'o';
}

// A link counts as a link and as what it leads to: pytest follows links to folders and files.
char kind_of_link(int folder_fd, const char* name) noexcept {
  struct stat info;
  if (::fstatat(folder_fd, name, &info, 0) != 0) return '?';
  return static_cast<char>(kind_of(info.st_mode) - 'a' + 'A');
}

char kind_of_entry(int folder_fd, const struct dirent& entry) noexcept {
  switch (entry.d_type) {
    case DT_REG: return 'f';
    case DT_DIR: return 'd';
    case DT_LNK: return kind_of_link(folder_fd, entry.d_name);
    case DT_UNKNOWN: break;   // some file systems do not tell
    default: return 'o';
  }
  struct stat info;
  if (::fstatat(folder_fd, entry.d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) return '?';
  return S_ISLNK(info.st_mode) ? kind_of_link(folder_fd, entry.d_name) : kind_of(info.st_mode);
}

struct CloseDir {
  void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};

// "<kind><name>\0" per entry, sorted: readdir's order is the file system's own business.
bool read_listing(const std::string& path, std::vector<std::string>& entries) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return false;
  std::unique_ptr<DIR, CloseDir> dir(::fdopendir(fd.get()));
  if (!dir) return false;
  const int dir_fd = fd.release();   // closedir's from here on
  for (;;) {
    errno = 0;
    const struct dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    const std::string_view name(entry->d_name);
    if (name == "." || name == ".." || is_ignored_entry(name)) continue;
    std::string line(1, kind_of_entry(dir_fd, *entry));
    line.append(name).push_back('\0');
    entries.push_back(std::move(line));
  }
  if (errno != 0) return false;
  std::sort(entries.begin(), entries.end(),
            [](const std::string& a, const std::string& b) { return a.compare(1, a.npos, b, 1, b.npos) < 0; });
  return true;
}

// Sorted. Reasons: written by Python, pytest, coverage and linters as they run, or kept by version control.
constexpr std::array<std::string_view, 22> k_ignored_names = {
    ".DS_Store", ".coverage", ".git", ".hg", ".hypothesis", ".idea", ".ipynb_checkpoints", ".jj", ".mypy_cache",
    ".nox", ".pyre", ".pytest_cache", ".pytype", ".ruff_cache", ".svn", ".testmondata", ".tox", ".vscode",
    "__pycache__", "coverage.json", "coverage.xml", "htmlcov"};

constexpr std::array<std::string_view, 7> k_passing_prefixes = {
    ".coverage.",       // parallel data files; not .coveragerc, which is an input
    ".#",               // emacs locks
    ".goutputstream-",  // glib's files on their way to a rename
    ".nfs",             // removed, but still open somewhere
    ".testmondata",
    "coverage.lcov",
    "___jb_",           // JetBrains' safe write
};

constexpr std::array<std::string_view, 4> k_passing_suffixes = {"~", ".kate-swp", "___jb_tmp___", "___jb_old___"};

// vim's .name.swp, .swo, .swn, …
bool is_vim_swap(std::string_view name) noexcept {
  return name.size() > 5 && name.front() == '.' && name.substr(name.size() - 4, 3) == ".sw" && name.back() >= 'a' &&
         name.back() <= 'z';
}

}  // namespace

InputFile identify_only(const std::string& path) {
  InputFile input;
  input.path = path;
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return input;
  input.dev = info.st_dev;
  input.ino = info.st_ino;
  input.mode = info.st_mode;
  input.size = static_cast<std::uint64_t>(info.st_size);
  input.mtime_ns = nanoseconds(info.st_mtim);
  input.ctime_ns = nanoseconds(info.st_ctim);
  return input;
}

InputFile identify(const std::string& path) {
  InputFile input = identify_only(path);
  if (input.mode == 0 || !is_racy(input, file_clock_ns())) return input;
  if (S_ISREG(static_cast<mode_t>(input.mode))) input.content_hash = hash_file(path);
  else if (S_ISDIR(static_cast<mode_t>(input.mode))) input.content_hash = hash_listing(path);
  return input;
}

std::string hash_file(const std::string& path) {
  // O_NONBLOCK: a FIFO of that name must not stop us.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  struct stat info;
  if (!fd || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  Hasher hasher;
  if (!add_content(hasher, fd.get())) return {};
  add_link_text(hasher, path);
  return hasher.finish();
}

std::string hash_listing(const std::string& path) {
  std::vector<std::string> entries;
  if (!read_listing(path, entries)) return {};
  Hasher hasher;
  for (const std::string& entry : entries) hasher.add(entry);
  add_link_text(hasher, path);
  return hasher.finish();
}

bool is_passing_entry(std::string_view name) noexcept {
  const auto starts = [name](std::string_view prefix) { return name.starts_with(prefix); };
  const auto ends = [name](std::string_view suffix) { return name.ends_with(suffix); };
  if (std::any_of(k_passing_prefixes.begin(), k_passing_prefixes.end(), starts)) return true;
  if (std::any_of(k_passing_suffixes.begin(), k_passing_suffixes.end(), ends)) return true;
  if (name.size() > 2 && name.front() == '#' && name.back() == '#') return true;   // emacs auto-save
  return name == "4913" || is_vim_swap(name);                                        // vim tries whether it may write there
}

bool is_ignored_entry(std::string_view name) noexcept {
  if (std::find(k_ignored_names.begin(), k_ignored_names.end(), name) != k_ignored_names.end()) return true;
  return name.ends_with(".pyc") || name.ends_with(".pyo") || is_passing_entry(name);
}

bool is_racy(const InputFile& input, std::int64_t now_ns) noexcept {
  if (input.mode == 0) return false;
  // ctime cannot be set, so one in the future means that the clock was set back, and the tick may come again. An mtime in
  // the future was set on purpose: an edit leaves another one, or at least another ctime.
  if (input.ctime_ns > now_ns - k_racy_ns) return true;
  return input.mtime_ns > now_ns - k_racy_ns && input.mtime_ns < now_ns + k_racy_ns;
}

std::int64_t file_clock_ns() noexcept {
  struct timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  return nanoseconds(now);
}

bool same_identity(const InputFile& a, const InputFile& b) noexcept {
  return a.dev == b.dev && a.ino == b.ino && a.mode == b.mode && a.size == b.size && a.mtime_ns == b.mtime_ns &&
         a.ctime_ns == b.ctime_ns;
}

}  // namespace pf::core
