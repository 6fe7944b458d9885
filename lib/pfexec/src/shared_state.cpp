#include "shared_state.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <utility>

#include <pfcore/unique_fd.hpp>

#include "leftovers.hpp"
#include "open_sockets.hpp"

namespace pf::exec {
namespace {

constexpr off_t k_most_captured_bytes = 1 << 20;

core::Error refused(std::string why) { return core::Error{core::ErrorCode::refused, std::move(why), 0, 0}; }

int count_threads() {
  DIR* dir = ::opendir("/proc/self/task");
  if (dir == nullptr) return 0;
  int count = 0;
  while (const struct dirent* entry = ::readdir(dir)) count += entry->d_name[0] != '.' ? 1 : 0;
  ::closedir(dir);
  return count;
}

bool has_timer() {
  for (const auto which : {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF}) {
    struct itimerval timer {};
    if (::getitimer(which, &timer) == 0 && (timer.it_value.tv_sec != 0 || timer.it_value.tv_usec != 0)) return true;
  }
  return false;
}

// Memory that the original goes on to write to: semaphores, shared arrays, mapped databases.
std::string shared_memory() {
  std::FILE* maps = std::fopen("/proc/self/maps", "re");
  if (maps == nullptr) return "unknown";
  std::string found;
  char line[4352];
  while (found.empty() && std::fgets(line, sizeof line, maps) != nullptr) {
    char mode[5] = "";
    int name = 0;
    if (std::sscanf(line, "%*s %4s %*s %*s %*s %n", mode, &name) < 1 || mode[1] != 'w' || mode[3] != 's') continue;
    line[std::strcspn(line, "\n")] = '\0';
    found = line[name] != '\0' ? line + name : "without a name";
  }
  std::fclose(maps);
  return found;
}

// What no descriptor shows. Empty: nothing.
std::string process_obstacle() {
  if (const int threads = count_threads(); threads != 1) return std::to_string(threads - 1) + " more thread" + (threads == 2 ? " was" : "s were") + " alive";
  struct sigaction on_child {};
  if (::sigaction(SIGCHLD, nullptr, &on_child) != 0 || (on_child.sa_flags & SA_SIGINFO) != 0 || on_child.sa_handler != SIG_DFL) {
    return "the suite had set what happens on SIGCHLD";
  }
  if (has_timer()) return "a timer was running";
  if (!children_of_self().empty()) return "the suite had started a process";
  if (const std::string name = shared_memory(); !name.empty()) return "shared memory was mapped (" + name + ')';
  return {};
}

bool is_harmless_device(dev_t device) {
  constexpr unsigned k_memory_devices = 1;
  const unsigned minor = minor(device);
  return major(device) == k_memory_devices && (minor == 3 || minor == 5 || minor == 7 || minor == 8 || minor == 9);   // null, zero, full, random, urandom
}

// Empty: a copy may have it too.
std::string descriptor_obstacle(int fd, const struct stat& info) {
  const auto named = [fd] { return '(' + descriptor_target(fd) + ')'; };
  if (S_ISDIR(info.st_mode)) return {};
  if (S_ISSOCK(info.st_mode)) return "a socket was open " + named();
  if (S_ISFIFO(info.st_mode)) return "a pipe was open " + named();
  if (S_ISCHR(info.st_mode)) return is_harmless_device(info.st_rdev) ? "" : "a device was open " + named();
  if (!S_ISREG(info.st_mode)) return "a descriptor was open that cannot be shared " + named();   // epoll, inotify, eventfd, …
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ((flags & O_ACCMODE) != O_RDONLY && (flags & O_APPEND) == 0)) return "a file was open for writing " + named();
  return {};
}

core::UniqueFd copy_of(const std::string& content, off_t position) {
  core::UniqueFd file(::memfd_create("pfast-capture", MFD_CLOEXEC));
  std::size_t done = 0;
  while (file.valid() && done < content.size()) {
    const ssize_t wrote = ::write(file.get(), content.data() + done, content.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return {};
    done += static_cast<std::size_t>(wrote);
  }
  if (file.valid()) ::lseek(file.get(), position, SEEK_SET);
  return file;
}

}  // namespace

FileKey key_of(int fd) noexcept {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return {};
  return {info.st_dev, info.st_ino};
}

core::Result<SharedState> SharedState::take(std::span<const CaptureFile> captures, const FileKey& output, int own) {
  if (std::string why = process_obstacle(); !why.empty()) return refused(std::move(why));
  SharedState state;
  std::vector<FileKey> known{output};
  for (const CaptureFile& capture : captures) {
    struct stat info {};
    if (::fstat(capture.file, &info) != 0 || !S_ISREG(info.st_mode)) return refused("a capture file was closed");
    if (info.st_size > k_most_captured_bytes) return refused("more than a megabyte of output was captured");
    Capture saved{capture, std::string(static_cast<std::size_t>(info.st_size), '\0'), ::lseek(capture.file, 0, SEEK_CUR)};
    if (::pread(capture.file, saved.content.data(), saved.content.size(), 0) != info.st_size) return refused("a capture file could not be read");
    state.captures_.push_back(std::move(saved));
    known.push_back({info.st_dev, info.st_ino});
  }
  const std::vector<int> descriptors = open_descriptors();
  if (descriptors.empty()) return refused("the kernel does not tell what is open");
  for (const int fd : descriptors) {
    struct stat info {};
    if (fd == own || ::fstat(fd, &info) != 0) continue;
    if (std::find(known.begin(), known.end(), FileKey{info.st_dev, info.st_ino}) != known.end()) continue;
    if (std::string why = descriptor_obstacle(fd, info); !why.empty()) return refused(std::move(why));
    if (S_ISREG(info.st_mode)) state.readers_.push_back({fd, ::lseek(fd, 0, SEEK_CUR)});
  }
  return state;
}

void SharedState::restore() const {
  for (const Capture& saved : captures_) {
    const core::UniqueFd file = copy_of(saved.content, saved.position);
    if (!file.valid()) ::_exit(1);               // without one its output would be another process'
    ::dup3(file.get(), saved.at.file, O_CLOEXEC);
    if (saved.at.target >= 0) ::dup2(file.get(), saved.at.target);
  }
  for (const Reader& reader : readers_) {
    if (::lseek(reader.fd, 0, SEEK_CUR) == reader.position) continue;
    // The original has read on: an open file of this process' own.
    const int flags = ::fcntl(reader.fd, F_GETFL);
    const int kept = ::fcntl(reader.fd, F_GETFD);
    const core::UniqueFd own(::open(("/proc/self/fd/" + std::to_string(reader.fd)).c_str(), (flags & (O_ACCMODE | O_APPEND)) | O_CLOEXEC));
    if (!own.valid()) ::_exit(1);
    ::lseek(own.get(), reader.position, SEEK_SET);
    ::dup3(own.get(), reader.fd, (kept & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0);
  }
}

void replace_descriptors(const FileKey& old, int now) {
  for (const int fd : open_descriptors()) {
    if (fd == now || !(key_of(fd) == old)) continue;
    const int flags = ::fcntl(fd, F_GETFD);
    ::dup3(now, fd, (flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0);
  }
}

}  // namespace pf::exec
