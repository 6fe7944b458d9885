#include <pfctl/input_memory.hpp>

#include <sys/stat.h>

#include <functional>
#include <optional>
#include <unordered_set>

namespace pf::ctl {
namespace {

constexpr std::uint64_t k_absent = 0;

std::uint64_t hash_of(std::string_view text) { return std::hash<std::string_view>{}(text); }

bool is_hashed(const core::InputFile& input) { return input.mode != 0 && !input.content_hash.empty(); }

// What has no hash is known by its identity. nullopt: whoever asked for its kind only does not tell what was in it.
std::optional<std::uint64_t> content_of(const core::InputFile& input) {
  if (input.mode == 0) return k_absent;
  if (is_hashed(input)) return hash_of(input.content_hash);
  if (input.ino == 0 || !S_ISREG(input.mode)) return std::nullopt;
  return hash_of(std::to_string(input.ino) + ' ' + std::to_string(input.size) + ' ' + std::to_string(input.mtime_ns));
}

std::string_view folder_of(std::string_view path) { return path.substr(0, path.rfind('/')); }

}  // namespace

std::vector<std::string> InputMemory::meet(const std::vector<const core::InputFile*>& inputs, std::size_t most) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> news;
  std::vector<const core::InputFile*> unknown;
  std::unordered_set<std::string_view> folders;      // whose entries are others
  std::unordered_set<std::uint64_t> met;             // a path is often recorded more than once, the content with one of them
  const auto meet_one = [&](const core::InputFile& input) {
    const std::uint64_t path = hash_of(input.path);
    const std::optional<std::uint64_t> content = content_of(input);
    if (!content || !met.insert(path).second) return;
    const auto [known, added] = contents_.try_emplace(path, *content);
    if (added) return unknown.push_back(&input);
    if (known->second == *content) return;
    known->second = *content;
    if (S_ISDIR(input.mode)) folders.insert(input.path);
    if (news.size() < most) news.push_back(input.path);
  };
  for (const core::InputFile* input : inputs) {
    if (is_hashed(*input)) meet_one(*input);
  }
  for (const core::InputFile* input : inputs) {
    if (!is_hashed(*input)) meet_one(*input);
  }
  for (const core::InputFile* input : unknown) {
    if (news.size() < most && S_ISREG(input->mode) && folders.contains(folder_of(input->path))) news.push_back(input->path);
  }
  return news;
}

void InputMemory::set(const core::InputFile& input, std::string_view content_hash) {
  const std::lock_guard lock(mutex_);
  if (content_hash.empty()) contents_[hash_of(input.path)] = k_absent;
  else if (!input.content_hash.empty()) contents_[hash_of(input.path)] = hash_of(content_hash);
  else contents_.erase(hash_of(input.path));
}

void InputMemory::forget() {
  const std::lock_guard lock(mutex_);
  contents_.clear();
}

}  // namespace pf::ctl
