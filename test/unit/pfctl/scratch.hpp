// What the tests of pfctl share: a folder of their own, and short ways to put files into it.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <pfctl/runtime_dir.hpp>

#include "../support.hpp"

namespace pf::ctl::test {

class Scratch {
 public:
  // Below the test program's own folder, which is kept when a test fails.
  Scratch() {
    std::string name = (pf::test::temporary_directory() / "XXXXXX").string();
    path_ = ::mkdtemp(name.data()) != nullptr ? name : std::string("/nonexistent");
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + '/' + name; }

  std::string folder(const std::string& name) const {
    std::filesystem::create_directories(*this / name);
    return *this / name;
  }
  std::string file(const std::string& name, const std::string& content = "") const {
    const std::filesystem::path path = *this / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path.string();
  }
  std::string program(const std::string& name, const std::string& content) const {
    const std::string path = file(name, content);
    ::chmod(path.c_str(), 0755);
    return path;
  }
  std::string link(const std::string& name, const std::string& target) const {
    std::filesystem::create_directories(std::filesystem::path(*this / name).parent_path());
    std::filesystem::remove(*this / name);
    std::filesystem::create_symlink(target, *this / name);
    return *this / name;
  }
  [[nodiscard]] std::string content(const std::string& name) const {
    std::ifstream in(*this / name, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
  [[nodiscard]] bool has(const std::string& name) const {
    struct stat info;
    return ::lstat((*this / name).c_str(), &info) == 0;
  }
  [[nodiscard]] core::Environment runtime_env() const {
    folder("run");
    ::chmod((*this / "run").c_str(), 0700);
    return {{"PFAST_RUNTIME_DIR", *this / "run"}, {"PATH", "/usr/bin:/bin"}};
  }
  // An address in a private runtime directory below this folder.
  [[nodiscard]] Address address() const {
    auto dir = open_runtime_dir(runtime_env());
    return make_address(dir.value(), path_, "/usr/bin/python3").value();
  }

 private:
  std::string path_;
};

// Runs the calling code as another user when the process may do that. The kernel keeps credentials per thread: use it in
// a thread of its own.
inline bool running_as_root() { return ::geteuid() == 0; }
inline constexpr unsigned k_nobody = 65534;

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

}  // namespace pf::ctl::test
