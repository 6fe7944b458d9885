#include "doctor_view.hpp"

#include <filesystem>
#include <system_error>
#include <utility>

#include <pfctl/environment.hpp>
#include <pfctl/root.hpp>

#include "ask_daemon.hpp"
#include "exit_codes.hpp"
#include "say.hpp"
#include "warm_up.hpp"

namespace pf::cli {
namespace {

void load_settings(DoctorView& view) {
  Context& context = view.context;
  auto settings = ctl::load_settings(context.root, context.env);
  if (!settings) {
    view.settings_error = settings.error();
    settings = ctl::load_settings("/dev/null", context.env);   // the environment may be in order
  }
  if (settings) context.settings = std::move(*settings);
}

void find_interpreter(DoctorView& view, const Where& where) {
  Context& context = view.context;
  const std::string& wanted = where.python.empty() ? context.settings.python : where.python;
  const auto source = context.settings.sources.find("python");
  const std::string_view named_by = where.python.empty() && source != context.settings.sources.end() ? std::string_view(source->second) : "--python";
  auto found = ctl::find_interpreter(wanted.empty() ? std::nullopt : std::optional(wanted), context.env, context.root, ctl::own_executable(), named_by);
  if (!found) {
    view.interpreter_error = found.error();
    return;
  }
  context.interpreter = std::move(*found);
  if (auto fits = ctl::check_version(context.interpreter, PF_PYTHON_MAJOR, PF_PYTHON_MINOR); !fits) view.interpreter_error = fits.error();
  else view.interpreter_facts = ctl::ask_for_facts(context.interpreter.executable, context.env, context.root);
}

bool find_address(DoctorView& view, const Where& where) {
  Context& context = view.context;
  auto dir = ctl::open_runtime_dir(context.env);
  if (dir) view.runtime = std::move(*dir);
  else view.runtime_error = dir.error();
  const std::string& wanted = where.address.empty() ? context.settings.address : where.address;
  context.explicit_address = !wanted.empty();
  if (!context.explicit_address && (!view.runtime || context.interpreter.executable.empty())) return false;
  auto address = context.explicit_address ? ctl::explicit_address(wanted) : ctl::make_address(*view.runtime, context.root, context.interpreter.executable);
  if (!address) {
    view.address_error = address.error();
    return false;
  }
  context.address = std::move(*address);
  return true;
}

core::Result<ctl::ClientConnection> connect(DoctorView& view, bool collect) {
  if (!collect) return connect_to_existing(view.context.address);
  ctl::ConnectOptions connecting;
  connecting.start = start_options(view.context, std::nullopt);
  auto connection = ctl::connect_to_daemon(view.context.address, connecting);
  if (connection) view.collect_code = warm_up(*connection, view.context, {}).exit_code;
  return connection;
}

void ask_daemon(DoctorView& view, bool collect) {
  auto connection = connect(view, collect);
  if (!connection) {
    if (connection.error().code != core::ErrorCode::not_found) view.daemon_error = connection.error();
    return;
  }
  auto status = ask<core::StatusReply>(*connection, core::StatusRequest{}, k_patience);
  if (!status) {
    view.daemon_error = status.error();
    return;
  }
  view.status = std::move(*status);
  auto explanation = ask<core::Explanation>(*connection, core::ExplainRequest{}, k_patience);
  if (explanation) view.explanation = std::move(*explanation);
  else view.explanation_error = explanation.error();
}

}  // namespace

std::optional<DoctorView> look_around(const DoctorOptions& options, int& exit_code) {
  std::error_code failed;
  DoctorView view;
  Context& context = view.context;
  context.env = ctl::current_environment();
  context.cwd = std::filesystem::current_path(failed).string();
  if (failed) {
    exit_code = refuse(k_exit_usage, "the current folder does not exist any more", "change into one that does");
    return std::nullopt;
  }
  context.root = ctl::find_root(context.cwd, options.where.root.empty() ? context.env : core::Environment{{"PFAST_ROOT", options.where.root}});
  if (!std::filesystem::is_directory(context.root, failed)) {
    exit_code = refuse(k_exit_usage, "the root '" + context.root + "' is no folder", "give the folder of the project with --root, or leave it out");
    return std::nullopt;
  }
  load_settings(view);
  find_interpreter(view, options.where);
  const bool can_start = !view.settings_error && !view.interpreter_error;
  if (find_address(view, options.where)) ask_daemon(view, options.collect && can_start);
  view.limits = ctl::machine_limits();
  return view;
}

std::string no_suite(const DoctorView& view) {
  if (view.explanation_error) return "the daemon cannot tell (" + view.explanation_error->message + "); `pfast restart` starts one of this version";
  if (!view.explanation) return "no daemon holds the suite; `pfast doctor --collect` collects it first";
  for (const core::GenerationReport& generation : view.explanation->generations) {
    if (generation.status.state == "ready" || generation.status.state == "stale") return {};
  }
  if (!view.explanation->generations.empty()) return "the suite is being collected right now; ask again";
  return "the daemon has collected nothing so far; `pfast doctor --collect` makes it do so";
}

std::string short_path(const DoctorView& view, const std::string& path) {
  const std::string root = view.context.root + '/';
  return path.starts_with(root) ? path.substr(root.size()) : path;
}

}  // namespace pf::cli
