// pfast-forkserver: started by the daemon only. Arguments: --channel-fd N --python PROGRAM.
#include <Python.h>
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

namespace {

struct Arguments {
  int channel_fd = -1;
  std::string python;
};

bool parse(int argc, char** argv, Arguments& out) {
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--channel-fd") == 0) out.channel_fd = std::atoi(argv[i + 1]);
    else if (std::strcmp(argv[i], "--python") == 0) out.python = argv[i + 1];
    else return false;
  }
  return argc % 2 == 1 && out.channel_fd >= 3 && !out.python.empty();
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
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  pf::core::UniqueFd channel(arguments.channel_fd);
  if (auto started = pf::exec::start_interpreter({arguments.python}); !started) {
    return refuse(std::move(channel), started.error());
  }
  return pf::exec::run_forkserver({std::move(channel), adapter_dir()});
}
