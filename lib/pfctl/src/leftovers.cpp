#include <pfctl/leftovers.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <ctime>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include <pfctl/connect.hpp>

#include "address_note.hpp"
#include "files.hpp"
#include "json_text.hpp"

namespace pf::ctl {
namespace {

constexpr std::chrono::seconds k_young{60};
constexpr std::chrono::milliseconds k_patience{1000};
constexpr std::size_t k_max_note_bytes = 64 * 1024;

struct CloseDir {
  void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};

struct Entry {
  std::string name;
  struct stat info {};
};

struct Traces {
  std::vector<Entry> files;             // that a daemon removes at its end
  std::vector<Entry> logs;
};

std::chrono::seconds age_of(const struct stat& info) {
  return std::chrono::seconds(std::max<std::time_t>(0, std::time(nullptr) - info.st_mtime));
}

// "<stem>.sock" is of <stem>; the rest is what it is to its daemon. Empty: nothing of pfast's.
std::string stem_of(std::string_view name, std::string_view suffix) {
  return name.size() > suffix.size() && name.ends_with(suffix) ? std::string(name.substr(0, name.size() - suffix.size())) : std::string();
}

core::Result<std::vector<Entry>> entries_of(const RuntimeDir& dir) {
  const int fd = ::openat(dir.fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);   // of its own: reading moves the position
  const std::unique_ptr<DIR, CloseDir> folder(fd >= 0 ? ::fdopendir(fd) : nullptr);
  if (!folder) return core::Error::from_errno("list the runtime directory '" + dir.path + "'", errno);
  std::vector<Entry> out;
  while (const struct dirent* found = ::readdir(folder.get())) {
    Entry entry{found->d_name, {}};
    if (::fstatat(dir.fd.get(), found->d_name, &entry.info, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(entry.info.st_mode)) out.push_back(std::move(entry));
  }
  std::sort(out.begin(), out.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return out;
}

bool is_pfast(int pid) {
  std::array<char, PATH_MAX> target;
  const ssize_t length = pid > 0 ? ::readlink(("/proc/" + std::to_string(pid) + "/exe").c_str(), target.data(), target.size()) : -1;
  return length > 0 && files::base_name({target.data(), static_cast<std::size_t>(length)}).starts_with("pfast");
}

bool is_served(const RuntimeDir& dir, const std::string& stem) {
  core::UniqueFd fd(::fcntl(dir.fd.get(), F_DUPFD_CLOEXEC, 3));
  if (!fd) return true;                 // cannot tell
  const Address address = private_address(std::move(fd), dir.path, stem);
  auto socket = connect_socket(address, k_patience);
  if (socket || socket.error().code == core::ErrorCode::timed_out) return true;
  return is_pfast(read_pid(address));
}

std::string root_of(const RuntimeDir& dir, const std::string& stem) {
  const auto note = files::read(dir.fd.get(), (stem + ".json").c_str(), k_max_note_bytes, O_NOFOLLOW);
  return json::text_field(note.value_or(""), "root");
}

}  // namespace

core::Result<RuntimeTraces> find_traces(const RuntimeDir& dir, std::chrono::hours log_age) {
  auto entries = entries_of(dir);
  if (!entries) return std::move(entries).error();
  RuntimeTraces traces;
  std::map<std::string, Traces> by_stem;
  Leftover half_made;
  for (Entry& entry : *entries) {
    if (!stem_of(entry.name, ".lock").empty() || !stem_of(entry.name, ".spawn").empty()) ++traces.locks;
    for (const std::string_view suffix : {".log", ".log.1"}) {
      if (const std::string stem = stem_of(entry.name, suffix); !stem.empty()) by_stem[stem].logs.push_back(entry);
    }
    for (const std::string_view suffix : {".sock", ".pid", ".json"}) {
      if (const std::string stem = stem_of(entry.name, suffix); !stem.empty()) by_stem[stem].files.push_back(entry);
    }
    if (!stem_of(entry.name, ".new").empty() && age_of(entry.info) >= k_young) half_made.paths.push_back(dir.path + '/' + entry.name);
  }
  for (const auto& [stem, found] : by_stem) {
    if (is_served(dir, stem)) {
      ++traces.served;
      continue;
    }
    Leftover leftover{root_of(dir, stem), {}};
    for (const Entry& entry : found.files) leftover.paths.push_back(dir.path + '/' + entry.name);
    if (!leftover.paths.empty()) traces.dead.push_back(std::move(leftover));
    for (const Entry& entry : found.logs) {
      const auto age = std::chrono::duration_cast<std::chrono::hours>(age_of(entry.info));
      if (age >= log_age) traces.old_logs.push_back({dir.path + '/' + entry.name, static_cast<std::uint64_t>(entry.info.st_size), age});
    }
  }
  if (!half_made.paths.empty()) traces.dead.push_back(std::move(half_made));
  return traces;
}

}  // namespace pf::ctl
