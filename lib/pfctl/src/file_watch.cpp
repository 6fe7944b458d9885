#include "file_watch.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <map>
#include <utility>

#include <pfcore/input_identity.hpp>

namespace pf::ctl {
namespace {

// /tmp is looked through for a pytest.ini: a folder of strangers whose every event would be heard.
constexpr std::size_t k_few_absent = 8;
// Each takes a watch of its own. They are looked at in any case: only whoever waits for news misses those over it.
constexpr std::size_t k_followed = 256;

std::uint64_t hash_of(std::string_view name) { return std::hash<std::string_view>{}(name); }

struct Wanted {
  std::vector<std::uint64_t> names;
  bool listed = false;
};

// Its coming is news where the folder that it would be in is watched anyway.
void await_folder(std::string folder, std::map<std::string, Wanted>& wanted) {
  while (folder.size() > 1) {
    folder.pop_back();                             // the slash
    const std::size_t slash = folder.rfind('/');
    if (slash == std::string::npos || slash == 0) return;
    if (const auto above = wanted.find(folder.substr(0, slash)); above != wanted.end()) {
      above->second.names.push_back(hash_of(std::string_view(folder).substr(slash + 1)));
      return;
    }
    folder.resize(slash + 1);
  }
}

}  // namespace

bool FileWatch::tells_of_changes(const std::string& folder) { return ChangeQueue::tells_of_changes(folder); }

// A link, or a file that has another name elsewhere, changes without a word in this folder.
core::Status FileWatch::sort_out(const Path& path, std::uint32_t index, std::vector<std::uint64_t>& names) {
  names.push_back(hash_of(path.text.substr(path.name)));
  struct stat info {};
  const bool there = ::lstat(std::string(path.text).c_str(), &info) == 0;
  const bool elsewhere = there && (S_ISLNK(info.st_mode) || (S_ISREG(info.st_mode) && info.st_nlink > 1) || !(S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)));
  if (elsewhere) unwatched_.push_back(index);
  if (elsewhere && path.followed && (followed_.size() < k_followed || !ChangeQueue::k_folders_tell_of_files)) (void)follow(std::string(path.text));
  if (!elsewhere && there && S_ISREG(info.st_mode) && !ChangeQueue::k_folders_tell_of_files) return follow(std::string(path.text));
  return core::ok_status();
}

// By its inode, through whatever name it is written to; its end is told as a change, too.
core::Status FileWatch::follow(const std::string& path) {
  auto id = queue_.add_file(path);
  if (!id) return std::move(id).error();
  followed_.insert(std::upper_bound(followed_.begin(), followed_.end(), *id), *id);
  return core::ok_status();
}

core::Result<core::UniqueFd> FileWatch::copy_descriptor() const { return queue_.copy_descriptor(); }

core::Result<FileWatch> FileWatch::start(const std::vector<Path>& paths, const std::vector<std::uint32_t>& by_folder) {
  FileWatch watch;
  if (auto opened = watch.queue_.open(); !opened) return std::move(opened).error();
  std::map<std::string, Wanted> wanted;
  std::vector<std::string> missing;                // folders
  for (std::size_t begin = 0; begin < by_folder.size();) {
    const auto folder_of = [&](std::size_t at) { return paths[by_folder[at]].text.substr(0, paths[by_folder[at]].name); };
    std::size_t end = begin + 1;
    while (end < by_folder.size() && folder_of(end) == folder_of(begin)) ++end;
    const std::string folder(folder_of(begin));
    struct stat info {};
    const bool exists = ::stat(folder.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
    const bool only_absent = end - begin <= k_few_absent &&
                             std::all_of(by_folder.begin() + static_cast<std::ptrdiff_t>(begin),
                                         by_folder.begin() + static_cast<std::ptrdiff_t>(end), [&](std::uint32_t i) { return paths[i].absent; });
    if (!exists) missing.push_back(folder);
    for (std::size_t at = begin; at < end; ++at) {
      const std::uint32_t index = by_folder[at];
      const Path& path = paths[index];
      if (path.folder) wanted[std::string(path.text)].listed = true;
      if (!exists || only_absent) {
        watch.unwatched_.push_back(index);
        continue;
      }
      Wanted& in_folder = wanted[folder.size() > 1 ? folder.substr(0, folder.size() - 1) : folder];
      if (auto sorted = watch.sort_out(path, index, in_folder.names); !sorted) return std::move(sorted).error();
    }
    begin = end;
  }
  for (const std::string& folder : missing) await_folder(folder, wanted);
  for (auto& [folder, what] : wanted) {
    struct stat info {};
    if (::stat(folder.c_str(), &info) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
      watch.complete_ = false;                     // its coming is news of the folder above
      continue;
    }
    if (auto added = watch.add_folder(folder, std::move(what.names), what.listed); !added) return std::move(added).error();
  }
  std::sort(watch.folders_.begin(), watch.folders_.end(), [](const Folder& a, const Folder& b) { return a.id < b.id; });
  return watch;
}

core::Status FileWatch::add_folder(std::string path, std::vector<std::uint64_t> names, bool listed) {
  Folder folder;
  auto id = queue_.add_folder(path);
  if (!id) return std::move(id).error();
  folder.id = *id;
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return core::Error::from_errno("watch " + path, errno);
  const bool known_device = std::any_of(folders_.begin(), folders_.end(), [&](const Folder& one) { return one.dev == info.st_dev; });
  if (!known_device && !tells_of_changes(path)) {
    return core::Error{core::ErrorCode::refused, "watch " + path + ": its file system does not tell of every change"};
  }
  folder.dev = info.st_dev;
  folder.ino = info.st_ino;
  folder.path = std::move(path);
  folder.listed = listed;
  folder.names = std::move(names);
  std::sort(folder.names.begin(), folder.names.end());
  folders_.push_back(std::move(folder));
  return core::ok_status();
}

FileWatch::News FileWatch::take_news() {
  const News told = read_events();
  if (told == News::lost) return told;
  return still_lead_here() ? told : News::lost;
}

bool FileWatch::still_lead_here() const {
  return std::all_of(folders_.begin(), folders_.end(), [](const Folder& folder) {
    struct stat info {};
    return ::stat(folder.path.c_str(), &info) == 0 && info.st_dev == folder.dev && info.st_ino == folder.ino;
  });
}

FileWatch::News FileWatch::read_events() {
  News news = News::none;
  const bool readable = queue_.read([&](const ChangeQueue::Event& event) { news = std::max(news, judge(event)); });
  return readable ? news : News::lost;
}

FileWatch::News FileWatch::judge(const ChangeQueue::Event& event) const {
  if (std::binary_search(followed_.begin(), followed_.end(), event.id)) return News::some;
  if (event.kind == ChangeQueue::Event::Kind::ended) return News::lost;
  News news = News::lost;   // of a watch that is none of ours
  // Two paths to one folder share a watch.
  const auto before = [](const Folder& folder, int wanted) { return folder.id < wanted; };
  for (auto folder = std::lower_bound(folders_.begin(), folders_.end(), event.id, before); folder != folders_.end() && folder->id == event.id;
       ++folder) {
    if (news == News::lost) news = News::none;
    if (concerns(*folder, event)) news = News::some;
  }
  return news;
}

bool FileWatch::concerns(const Folder& folder, const ChangeQueue::Event& event) {
  if (event.name.empty()) return true;   // the folder itself: its mode, its owner; or nobody tells which entry it was
  if (std::binary_search(folder.names.begin(), folder.names.end(), hash_of(event.name))) return true;
  return folder.listed && event.kind == ChangeQueue::Event::Kind::entries && !core::is_ignored_entry(event.name);
}

}  // namespace pf::ctl
