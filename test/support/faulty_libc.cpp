// A preload library: fails the n-th call of a function of libc in one kind of process, and shifts the clock of the wall.
//
// What it does is in a file of 32 bytes that every process maps (PFAST_TEST_FAULT names it; faulty_libc.py writes it), so that
// a fault can be turned on and off in processes that run already, and every process sees what others did. A process with shared memory
// has no checkpoints, though: PFAST_TEST_NO_TID_ADDRESS alone is for them; it names a file that is made when it has been asked in vain.
#undef _FILE_OFFSET_BITS   // both names of open are defined here
#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

enum Who : std::int32_t { k_nobody, k_client, k_daemon, k_forkserver, k_child };

struct Control {
  std::atomic<std::int32_t> who;        // 0: nobody
  std::atomic<std::int32_t> function;   // a line of k_functions
  std::atomic<std::int32_t> countdown;  // the call that makes it 0 fails
  std::atomic<std::int32_t> action;     // > 0: errno, < 0: the signal that it raises
  std::atomic<std::int32_t> for_ever;   // every later call fails as well
  std::atomic<std::int32_t> failed;     // how many did
  std::atomic<std::int64_t> wall_shift_ns;
};
static_assert(sizeof(Control) == 32);

// In the order of faulty_libc.FUNCTIONS.
enum Function : std::int32_t {
  k_none, k_open, k_write_file, k_socket, k_socketpair, k_accept4, k_bind, k_listen, k_connect, k_renameat, k_fork, k_memfd_create,
  k_mmap, k_fcntl, k_sendmsg, k_recvmsg, k_ftruncate, k_inotify_init1, k_inotify_add_watch, k_posix_spawn, k_mkdir,
};

Control* control = nullptr;
const char* asked_tid_address = nullptr;   // set: there is none
Who who = k_nobody;
pid_t first_pid = 0;

Who look() {
  const int fd = ::open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  char words[512] = {};
  const ssize_t got = fd >= 0 ? ::read(fd, words, sizeof words - 1) : -1;
  if (fd >= 0) ::close(fd);
  if (got <= 0) return k_nobody;
  const char* const slash = std::strrchr(words, '/');
  const char* const name = slash != nullptr ? slash + 1 : words;
  if (std::strcmp(name, "pfast-forkserver") == 0) return k_forkserver;
  if (std::strcmp(name, "pfast") != 0) return k_nobody;
  return std::strcmp(words + std::strlen(words) + 1, "serve") == 0 ? k_daemon : k_client;
}

__attribute__((constructor)) void map_control() {
  asked_tid_address = std::getenv("PFAST_TEST_NO_TID_ADDRESS");
  const char* const path = std::getenv("PFAST_TEST_FAULT");
  if (path == nullptr) return;
  const int fd = ::open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void* const mapped = ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  first_pid = ::getpid();
  who = look();
  if (mapped != MAP_FAILED) control = static_cast<Control*>(mapped);
}

// True when this call is to fail; errno is set then.
bool fails(Function function) {
  if (control == nullptr || control->who.load() == k_nobody || control->function.load() != function) return false;
  const Who mine = who == k_forkserver && ::getpid() != first_pid ? k_child : who;
  if (control->who.load() != mine) return false;
  const std::int32_t left = control->countdown.fetch_sub(1);
  if (left != 1 && !(left < 1 && control->for_ever.load() != 0)) return false;
  control->failed.fetch_add(1);
  const std::int32_t action = control->action.load();
  if (action < 0) ::kill(::getpid(), -action);
  errno = action;
  return action > 0;
}

template <typename T>
T next(T, const char* name) {
  return reinterpret_cast<T>(::dlsym(RTLD_NEXT, name));
}

bool is_file(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

int mode_of(int flags, va_list list) { return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, int) : 0; }

void shift(clockid_t clock, struct timespec* time) {
  if (control == nullptr || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return;
  const std::int64_t by = control->wall_shift_ns.load();
  if (by == 0) return;
  const std::int64_t total = static_cast<std::int64_t>(time->tv_sec) * 1'000'000'000 + time->tv_nsec + by;
  time->tv_sec = total / 1'000'000'000;
  time->tv_nsec = total % 1'000'000'000;
}

}  // namespace

// One line a function: libc's, found once, unless this call is to fail.
#define PASS_ON(kind, function, failure, ...)              \
  do {                                                     \
    static const auto real = next(&::function, #function); \
    if (fails(kind)) return failure;                       \
    return real(__VA_ARGS__);                              \
  } while (false)

#pragma GCC visibility push(default)
extern "C" {

int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const int mode = mode_of(flags, list);
  va_end(list);
  PASS_ON(k_open, open, -1, path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const int mode = mode_of(flags, list);
  va_end(list);
  PASS_ON(k_open, open64, -1, path, flags, mode);
}

int openat(int dir, const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const int mode = mode_of(flags, list);
  va_end(list);
  PASS_ON(k_open, openat, -1, dir, path, flags, mode);
}

int openat64(int dir, const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const int mode = mode_of(flags, list);
  va_end(list);
  PASS_ON(k_open, openat64, -1, dir, path, flags, mode);
}

// Only what makes a descriptor: the third argument is a number then.
int fcntl(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  void* const argument = va_arg(list, void*);
  va_end(list);
  static const auto real = next(&::fcntl, "fcntl");
  if (command == F_DUPFD_CLOEXEC && fails(k_fcntl)) return -1;
  return real(fd, command, argument);
}

int fcntl64(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  void* const argument = va_arg(list, void*);
  va_end(list);
  static const auto real = next(&::fcntl64, "fcntl64");
  if (command == F_DUPFD_CLOEXEC && fails(k_fcntl)) return -1;
  return real(fd, command, argument);
}

// As of a kernel that was built without CONFIG_CHECKPOINT_RESTORE.
int prctl(int option, ...) noexcept {
  unsigned long arguments[4];
  va_list list;
  va_start(list, option);
  for (unsigned long& argument : arguments) argument = va_arg(list, unsigned long);
  va_end(list);
  static const auto real = next(&::prctl, "prctl");
  if (option != PR_GET_TID_ADDRESS || asked_tid_address == nullptr) return real(option, arguments[0], arguments[1], arguments[2], arguments[3]);
  ::close(::open(asked_tid_address, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  errno = EINVAL;
  return -1;
}

ssize_t write(int fd, const void* bytes, size_t count) {
  static const auto real = next(&::write, "write");
  if (control != nullptr && control->function.load() == k_write_file && is_file(fd) && fails(k_write_file)) return -1;
  return real(fd, bytes, count);
}

int socket(int domain, int type, int protocol) noexcept { PASS_ON(k_socket, socket, -1, domain, type, protocol); }
int socketpair(int domain, int type, int protocol, int fds[2]) noexcept { PASS_ON(k_socketpair, socketpair, -1, domain, type, protocol, fds); }
int accept4(int fd, struct sockaddr* name, socklen_t* length, int flags) { PASS_ON(k_accept4, accept4, -1, fd, name, length, flags); }
int bind(int fd, const struct sockaddr* name, socklen_t length) noexcept { PASS_ON(k_bind, bind, -1, fd, name, length); }
int listen(int fd, int backlog) noexcept { PASS_ON(k_listen, listen, -1, fd, backlog); }
int connect(int fd, const struct sockaddr* name, socklen_t length) { PASS_ON(k_connect, connect, -1, fd, name, length); }
int renameat(int from_dir, const char* from, int to_dir, const char* to) noexcept { PASS_ON(k_renameat, renameat, -1, from_dir, from, to_dir, to); }
pid_t fork() noexcept { PASS_ON(k_fork, fork, -1); }
int memfd_create(const char* name, unsigned flags) noexcept { PASS_ON(k_memfd_create, memfd_create, -1, name, flags); }
void* mmap(void* at, size_t bytes, int protection, int flags, int fd, off_t offset) noexcept {
  PASS_ON(k_mmap, mmap, MAP_FAILED, at, bytes, protection, flags, fd, offset);
}
void* mmap64(void* at, size_t bytes, int protection, int flags, int fd, off64_t offset) noexcept {
  PASS_ON(k_mmap, mmap64, MAP_FAILED, at, bytes, protection, flags, fd, offset);
}
ssize_t sendmsg(int fd, const struct msghdr* message, int flags) { PASS_ON(k_sendmsg, sendmsg, -1, fd, message, flags); }
ssize_t recvmsg(int fd, struct msghdr* message, int flags) { PASS_ON(k_recvmsg, recvmsg, -1, fd, message, flags); }
int ftruncate(int fd, off_t length) noexcept { PASS_ON(k_ftruncate, ftruncate, -1, fd, length); }
int inotify_init1(int flags) noexcept { PASS_ON(k_inotify_init1, inotify_init1, -1, flags); }
int inotify_add_watch(int fd, const char* path, uint32_t mask) noexcept { PASS_ON(k_inotify_add_watch, inotify_add_watch, -1, fd, path, mask); }
int posix_spawn(pid_t* pid, const char* path, const posix_spawn_file_actions_t* actions, const posix_spawnattr_t* attributes,
                char* const arguments[], char* const environment[]) {
  PASS_ON(k_posix_spawn, posix_spawn, errno, pid, path, actions, attributes, arguments, environment);
}
int ftruncate64(int fd, off64_t length) noexcept { PASS_ON(k_ftruncate, ftruncate64, -1, fd, length); }
int mkdir(const char* path, mode_t mode) noexcept { PASS_ON(k_mkdir, mkdir, -1, path, mode); }

int clock_gettime(clockid_t clock, struct timespec* time) noexcept {
  static const auto real = next(&::clock_gettime, "clock_gettime");
  const int result = real(clock, time);
  if (result == 0) shift(clock, time);
  return result;
}

time_t time(time_t* out) noexcept {
  struct timespec now {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}

int gettimeofday(struct timeval* out, void*) noexcept {
  struct timespec now {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  *out = {now.tv_sec, static_cast<suseconds_t>(now.tv_nsec / 1000)};
  return 0;
}

}  // extern "C"
#pragma GCC visibility pop
