#include "bytecode_cache.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <tuple>

namespace pf::exec {
namespace {

constexpr std::string_view k_cache_folder = "/__pycache__/";
constexpr std::string_view k_tag = ".cpython-";
constexpr std::string_view k_suffix = ".pyc";
constexpr std::string_view k_installed_parts[] = {"/site-packages/", "/dist-packages/", "/lib/python3."};

// Between reading a source and writing its .pyc somebody may save the source again.
constexpr time_t k_racy_s = 1;

auto time_of(const timespec& time) noexcept { return std::tuple(time.tv_sec, time.tv_nsec); }

bool is_installed(std::string_view path) noexcept {
  return std::any_of(std::begin(k_installed_parts), std::end(k_installed_parts),
                     [&](std::string_view part) { return path.find(part) != std::string_view::npos; });
}

}  // namespace

std::optional<std::string> source_of_bytecode(std::string_view pyc, std::string_view cache_prefix) {
  if (!pyc.ends_with(k_suffix)) return std::nullopt;
  const std::size_t slash = pyc.rfind('/');
  const std::size_t name = slash == std::string_view::npos ? 0 : slash + 1;
  const std::size_t tag = pyc.find(k_tag, name);
  if (tag == std::string_view::npos) return std::nullopt;
  std::string folder(pyc.substr(0, name));
  if (folder.ends_with(k_cache_folder)) folder.resize(folder.size() - k_cache_folder.size() + 1);
  else if (folder == k_cache_folder.substr(1)) folder.clear();
  else if (!cache_prefix.empty() && folder.starts_with(cache_prefix)) folder.erase(0, cache_prefix.size());
  else return std::nullopt;
  return folder.append(pyc.substr(name, tag - name)).append(".py");
}

bool is_doubtful_bytecode(std::string_view pyc) {
  if (is_installed(pyc)) return false;
  const char* const prefix = std::getenv("PYTHONPYCACHEPREFIX");
  const std::optional<std::string> source = source_of_bytecode(pyc, prefix != nullptr ? prefix : "");
  if (!source || is_installed(*source)) return false;
  struct stat cached {};
  struct stat edited {};
  if (::stat(std::string(pyc).c_str(), &cached) != 0 || ::stat(source->c_str(), &edited) != 0) return false;
  cached.st_mtim.tv_sec -= k_racy_s;
  return time_of(cached.st_mtim) <= std::max(time_of(edited.st_mtim), time_of(edited.st_ctim));
}

}  // namespace pf::exec
