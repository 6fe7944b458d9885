#include "context.hpp"

#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pfctl/client_setup.hpp>
#include <pfctl/environment.hpp>
#include <pfctl/root.hpp>

#include "exit_codes.hpp"
#include "say.hpp"

namespace pf::cli {
namespace {

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

std::string first_match(const std::string& pattern) {
  glob_t found{};
  std::string path;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0 && found.gl_pathc > 0) path = found.gl_pathv[0];
  ::globfree(&found);
  return path;
}

bool is_folder(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool find_root(Context& context, const Where& where, int& exit_code) {
  if (where.root.empty()) {
    context.root = ctl::find_root(context.cwd, context.env);
    return true;
  }
  // --root is PFAST_ROOT by another way: relative to the current folder, links resolved.
  context.root = ctl::find_root(context.cwd, {{"PFAST_ROOT", where.root}});
  if (is_folder(context.root)) return true;
  exit_code = refuse(k_exit_usage, "--root names '" + where.root + "', which is no folder", "give the folder of the project, or leave it out");
  return false;
}

bool find_interpreter(Context& context, const Where& where, Purpose purpose, int& exit_code) {
  const std::string& wanted = where.python.empty() ? context.settings.python : where.python;
  const auto source = context.settings.sources.find("python");
  const std::string_view named_by = where.python.empty() && source != context.settings.sources.end() ? std::string_view(source->second) : "--python";
  auto found = ctl::find_interpreter(wanted.empty() ? std::nullopt : std::optional(wanted), context.env, context.root, ctl::own_executable(), named_by);
  if (!found) {
    exit_code = refuse(k_exit_interpreter, found.error());
    return false;
  }
  context.interpreter = std::move(*found);
  if (purpose == Purpose::look) return true;
  if (auto fits = ctl::check_version(context.interpreter, PF_PYTHON_MAJOR, PF_PYTHON_MINOR); !fits) {
    exit_code = refuse(k_exit_interpreter, fits.error());
    return false;
  }
  return true;
}

core::Result<ctl::Address> make_address(const Context& context) {
  auto dir = ctl::open_runtime_dir(context.env);
  if (!dir) return std::move(dir).error();
  return ctl::make_address(*dir, context.root, context.interpreter.executable);
}

}  // namespace

std::string find_forkserver(const core::Environment& env) {
  if (const auto named = ctl::find_env_text(env, "PFAST_FORKSERVER")) return std::string(*named);
  const std::string here = folder_of(ctl::own_executable());
  const std::string candidates[] = {
      here + "/../lib/python3." + std::to_string(PF_PYTHON_MINOR) + "/site-packages/pfast/pfast-forkserver",
      here + "/../libexec/pfast/pfast-forkserver",
      here + "/../../lib/pfexec/pfast-forkserver",
  };
  for (const std::string& candidate : candidates) {
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  // Where distributions put platlib: lib64, dist-packages, a multi-level prefix.
  return first_match(here + "/../lib*/python3*/*-packages/pfast/pfast-forkserver");
}

std::string find_program(std::string_view name) {
  const std::string here = folder_of(ctl::own_executable());
  for (const char* const where : {"/", "/../cli/", "/../watch/"}) {
    std::string candidate = here + where + std::string(name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return here + '/' + std::string(name);
}

std::optional<Context> find_settings(const Where& where, Purpose purpose, int& exit_code) {
  Context context;
  context.env = ctl::current_environment();
  context.cwd = ctl::current_folder();
  if (context.cwd.empty()) {
    exit_code = refuse(k_exit_usage, "the current folder does not exist any more", "change into one that does");
    return std::nullopt;
  }
  if (!find_root(context, where, exit_code)) return std::nullopt;
  auto settings = ctl::load_settings(context.root, context.env);
  // Whoever has broken the file can still look at the daemon and stop it: the environment alone decides then.
  if (!settings && purpose == Purpose::look) settings = ctl::load_settings("/dev/null", context.env);
  if (!settings) {
    exit_code = refuse(k_exit_configuration, settings.error(), "correct that setting, or remove it");
    return std::nullopt;
  }
  context.settings = std::move(*settings);
  return context;
}

std::optional<Context> find_context(const Where& where, Purpose purpose, int& exit_code) {
  auto context = find_settings(where, purpose, exit_code);
  if (!context) return std::nullopt;
  const std::string& wanted = where.address.empty() ? context->settings.address : where.address;
  context->explicit_address = !wanted.empty();
  // An address that was named leads to its daemon, whatever interpreter that one has.
  const bool needs_interpreter = purpose == Purpose::run || !context->explicit_address;
  if (needs_interpreter && !find_interpreter(*context, where, purpose, exit_code)) return std::nullopt;
  auto address = context->explicit_address ? ctl::explicit_address(wanted) : make_address(*context);
  if (!address) {
    exit_code = refuse(context->explicit_address ? k_exit_usage : k_exit_runtime_dir, address.error());
    return std::nullopt;
  }
  context->address = std::move(*address);
  return context;
}

ctl::StartOptions start_options(const Context& context, std::optional<double> ttl_s) {
  ctl::DaemonSetup setup;
  setup.executable = find_program("pfast");
  setup.env = context.env;
  setup.root = context.root;
  setup.python = context.interpreter.executable;
  setup.cwd = context.cwd;
  if (context.explicit_address) setup.socket = context.address.socket_path();
  setup.ttl_s = ttl_s.value_or(context.settings.ttl_s);
  return ctl::start_options(setup);
}

int refuse_connection(int exit_code, const Context& context, const core::Error& error, std::string_view hint) {
  // `refused` is both: what lies at the address is not ours, and the daemon's own reason not to serve.
  const bool by_daemon = error.message.starts_with("start the daemon") || error.message.starts_with("talk to the daemon");
  const bool not_ours = error.code == core::ErrorCode::refused && !by_daemon;
  ctl::Complaint complaint = ctl::complaint_of(error);
  // Nobody is told to remove a file whose name was given by mistake.
  if (not_ours && context.explicit_address) complaint.hint = "name another socket with --address or PFAST_ADDRESS";
  if (complaint.hint.empty()) complaint.hint = hint;
  return refuse(not_ours ? k_exit_runtime_dir : exit_code, complaint.message, complaint.hint);
}

}  // namespace pf::cli
