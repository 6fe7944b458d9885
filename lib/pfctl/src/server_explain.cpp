// The verb `explain`: what status leaves out to be cheap. For `pfast doctor`.
#include <dirent.h>
#include <sys/resource.h>

#include <memory>

#include <pfctl/server.hpp>

namespace pf::ctl {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};

std::int64_t open_descriptors() {
  const std::unique_ptr<DIR, CloseDir> dir(::opendir("/proc/self/fd"));
  std::int64_t count = -1;                         // its own
  while (dir && ::readdir(dir.get()) != nullptr) ++count;
  return count > 2 ? count - 2 : 0;                // . and ..
}

std::int64_t descriptor_limit() {
  struct rlimit limit {};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<std::int64_t>(limit.rlim_cur) : 0;
}

}  // namespace

void Server::on_explain(Connection& connection) {
  core::Explanation reply;
  reply.generations = pool_->reports(loop_.now());
  reply.forkserver = settings_.pool.forkserver_path;
  reply.workers = static_cast<std::int64_t>(settings_.run.default_workers);
  reply.max_generations = static_cast<std::int64_t>(settings_.pool.max_generations);
  reply.memory_bytes = settings_.pool.max_bytes;
  reply.boot_timeout_s = std::chrono::duration<double>(settings_.pool.boot_deadline).count();
  reply.descriptors = open_descriptors();
  reply.descriptor_limit = descriptor_limit();
  connection.send_event(core::encode(reply));
}

}  // namespace pf::ctl
