// pfast-forkserver: started by the daemon only. Arguments: --channel-fd N --python PROGRAM, and --room TEXT, which is there to be
// overwritten by the process' title. Or by a controller, as a worker of its own: --worker-fd N --parent PID, instead of --channel-fd.
#include <Python.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <pfcore/messages.hpp>
#include <pfcore/frame_socket.hpp>
#include <pfexec/forkserver.hpp>
#include <pfexec/interpreter.hpp>

#include "process_title.hpp"

namespace {

struct Arguments {
  int channel_fd = -1;
  int worker_fd = -1;
  int parent = 0;
  std::string python;
};

bool parse(int argc, char** argv, Arguments& out) {
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--channel-fd") == 0) out.channel_fd = std::atoi(argv[i + 1]);
    else if (std::strcmp(argv[i], "--worker-fd") == 0) out.worker_fd = std::atoi(argv[i + 1]);
    else if (std::strcmp(argv[i], "--parent") == 0) out.parent = std::atoi(argv[i + 1]);
    else if (std::strcmp(argv[i], "--python") == 0) out.python = argv[i + 1];
    else if (std::strcmp(argv[i], "--room") != 0) return false;
  }
  return argc % 2 == 1 && (out.channel_fd >= 3 || (out.worker_fd >= 3 && out.parent > 1)) && !out.python.empty();
}

// The adapter lies beside the executable when installed, in python/ beside it in a build folder.
std::string adapter_dir() {
  char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path - 1);
  if (length <= 0) return ".";
  std::string text(path, static_cast<std::size_t>(length));
  const std::string folder = text.substr(0, text.rfind('/'));
  const std::string build_folder = folder + "/python";
  return ::access((build_folder + "/_pfast_exec").c_str(), F_OK) == 0 ? build_folder : folder;
}

// The controller tells the daemon how it ended.
int be_worker(const Arguments& arguments) {
  if (::getppid() != arguments.parent) return 1;      // it died before the kernel was told to end us with it
  pf::core::UniqueFd channel(arguments.worker_fd);
  ::fcntl(channel.get(), F_SETFD, FD_CLOEXEC);
  if (auto started = pf::exec::start_interpreter({arguments.python}); !started) {
    std::fprintf(stderr, "pfast: failed to %s\n", started.error().message.c_str());
    return 73;
  }
  return pf::exec::run_worker({std::move(channel), adapter_dir(), arguments.python});
}

int refuse(pf::core::UniqueFd channel, const pf::core::Error& error) {
  pf::core::FrameSocket socket(std::move(channel));
  pf::core::BootFailed failed;
  failed.exit_code = 73;
  failed.message = error.message;
  (void)socket.send(pf::core::encode(failed));
  return 73;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!parse(argc, argv, arguments)) {
    std::fputs("pfast-forkserver is started by the pfast daemon; run `pfast run` instead.\n", stderr);
    return 70;
  }
  pf::exec::claim_title_room(argc, argv);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (arguments.worker_fd >= 0) return be_worker(arguments);
  pf::core::UniqueFd channel(arguments.channel_fd);
  if (auto started = pf::exec::start_interpreter({arguments.python}); !started) {
    return refuse(std::move(channel), started.error());
  }
  return pf::exec::run_forkserver({std::move(channel), adapter_dir(), arguments.python});
}
