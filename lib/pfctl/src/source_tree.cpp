#include <pfctl/source_tree.hpp>

#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include <pfcore/input_identity.hpp>

namespace pf::ctl {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> below(const std::string& root, std::vector<std::string> names) {
  for (std::string& name : names) {
    if (!name.starts_with('/')) name.insert(0, root);
    name = fs::path(name).lexically_normal().string();
    while (name.size() > 1 && name.back() == '/') name.pop_back();
  }
  return names;
}

bool is_python_file(const fs::directory_entry& entry) {
  std::error_code error;
  return entry.path().extension() == ".py" && entry.is_regular_file(error);
}

// Calls `visit` with every folder at and below `top`, and every *.py file in them.
template <typename Visit>
void walk(const std::string& top, Visit&& visit) {
  std::error_code error;
  if (!fs::is_directory(top, error)) return;
  visit(top, true);
  for (fs::recursive_directory_iterator at(top, fs::directory_options::skip_permission_denied, error), end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    if (at->is_directory(ignored) && !at->is_symlink(ignored)) {
      if (core::is_ignored_entry(at->path().filename().string())) at.disable_recursion_pending();
      else visit(at->path().string(), true);
    } else if (is_python_file(*at)) {
      visit(at->path().string(), false);
    }
  }
}

}  // namespace

SourceTree::SourceTree(std::string root, std::vector<std::string> folders, std::vector<std::string> files) : root_(std::move(root)) {
  if (root_.empty() || root_.back() != '/') root_ += '/';
  folders_ = below(root_, std::move(folders));
  files_ = below(root_, std::move(files));
}

SourceTree::Snapshot SourceTree::look() const {
  Snapshot now;
  for (const std::string& folder : folders_) {
    walk(folder, [&](const std::string& path, bool is_folder) {
      if (!is_folder) now.emplace(path, core::hash_file(path));
    });
  }
  for (const std::string& file : files_) now.emplace(file, core::hash_file(file));
  return now;
}

std::optional<std::string> SourceTree::difference(const Snapshot& before, const Snapshot& now) const {
  const auto named = [this](const char* what, const std::string& path) {
    return what + (path.starts_with(root_) ? path.substr(root_.size()) : path);
  };
  for (const auto& [path, hash] : before) {
    const auto found = now.find(path);
    const bool gone = found == now.end() || (found->second.empty() && !hash.empty());
    if (gone) return named("deleted: ", path);
    if (found->second != hash) return named(hash.empty() ? "new: " : "changed: ", path);
  }
  for (const auto& [path, hash] : now) {
    if (!before.contains(path)) return named("new: ", path);
  }
  return std::nullopt;
}

std::shared_ptr<const InputSet> SourceTree::inputs(const Snapshot& now) const {
  std::set<std::string> paths;
  for (const auto& [path, hash] : now) paths.insert(path);
  for (const std::string& folder : folders_) {
    paths.insert(folder);                          // also when it is not there yet
    walk(folder, [&](const std::string& path, bool is_folder) {
      if (is_folder) paths.insert(path);
    });
  }
  std::vector<core::InputFile> inputs;
  for (const std::string& path : paths) {
    core::InputFile input = core::identify_only(path);
    const auto known = now.find(path);
    input.content_hash = known != now.end() ? known->second : core::hash_listing(path);
    inputs.push_back(std::move(input));
  }
  return std::make_shared<const InputSet>(std::move(inputs), EnvironmentKey(), root_, std::chrono::system_clock::now());
}

}  // namespace pf::ctl
