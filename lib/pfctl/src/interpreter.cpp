#include <pfctl/interpreter.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <utility>

#include <pfctl/environment.hpp>

#include "files.hpp"
#include "interpreter_question.hpp"
#include "text.hpp"

namespace pf::ctl {
namespace {

using core::ErrorCode;

struct Search {
  const core::Environment& env;
  const std::string& root;
};

struct Version {
  int major = 0;
  int minor = 0;
};

// "3.11", "3.11.7" or "3.11.7.final.0"; with `whole`, nothing may follow the minor number.
std::optional<Version> parse_version(std::string_view text, bool whole) {
  Version version;
  const char* end = text.data() + text.size();
  auto parsed = std::from_chars(text.data(), end, version.major);
  if (parsed.ec != std::errc() || parsed.ptr == end || *parsed.ptr != '.') return std::nullopt;
  parsed = std::from_chars(parsed.ptr + 1, end, version.minor);
  if (parsed.ec != std::errc() || (whole && parsed.ptr != end)) return std::nullopt;
  return version;
}

// python3.11; not python3, and not python3.13t, whose binary interface is another one.
std::optional<Version> version_in_name(std::string_view resolved) {
  constexpr std::string_view k_head = "python";
  const std::string_view name = files::base_name(resolved);
  return name.starts_with(k_head) ? parse_version(name.substr(k_head.size()), true) : std::nullopt;
}

std::optional<Version> version_in_pyvenv(std::string_view config) {
  while (!config.empty()) {
    const std::size_t end = std::min(config.find('\n'), config.size());
    const std::string_view line = config.substr(0, end);
    config.remove_prefix(std::min(end + 1, config.size()));
    const std::size_t equals = line.find('=');
    if (equals == line.npos) continue;
    const std::string_view key = text::trimmed(line.substr(0, equals));
    if (key == "version" || key == "version_info") return parse_version(text::trimmed(line.substr(equals + 1)), false);
  }
  return std::nullopt;
}

// CPython looks for pyvenv.cfg beside the executable and one folder above. Empty: no virtual environment.
std::string venv_of(const std::string& executable) {
  const std::string folder = files::parent(executable);
  for (const std::string& candidate : {folder, files::parent(folder)}) {
    if (files::exists(candidate + "/pyvenv.cfg")) return candidate;
  }
  return {};
}

bool is_script(const std::string& path) { return files::read(path, 2).value_or("") == "#!"; }

std::string resolved(const std::string& path) {
  std::array<char, PATH_MAX> buffer;
  return ::realpath(path.c_str(), buffer.data()) != nullptr ? std::string(buffer.data()) : std::string();
}

// What pyenv's shim would exec, by pyenv's own rules; empty when only pyenv knows. A shim takes 100 ms to say the same.
std::string behind_pyenv_shim(const std::string& shim, const Search& search) {
  const std::string folder = files::parent(shim);
  if (files::base_name(folder) != "shims" || files::read(shim, 4096).value_or("").find("pyenv") == std::string::npos) return {};
  const std::string pyenv_root = files::parent(folder);
  std::string versions(find_env_text(search.env, "PYENV_VERSION").value_or(""));
  for (std::string at = search.root; versions.empty() && !at.empty(); at = at == "/" ? "" : files::parent(at)) {
    versions = files::read(at + "/.python-version", 4096).value_or("");
  }
  if (versions.empty()) versions = files::read(pyenv_root + "/version", 4096).value_or("");
  const std::string_view first = text::trimmed(std::string_view(versions).substr(0, versions.find_first_of(":\n")));
  if (first.empty() || first.find_first_of("/# ") != first.npos) return {};
  const std::string target = pyenv_root + "/versions/" + std::string(first) + "/bin/" + std::string(files::base_name(shim));
  return files::is_program(target) ? target : std::string();
}

core::Result<Interpreter> inspect(const std::string& executable, std::string source, const Search& search) {
  const std::string real = resolved(executable);
  const auto ask = [&]() -> core::Result<Interpreter> {
    auto answer = ask_interpreter(executable, search.env, search.root);
    if (answer) answer->source = source;
    return answer ? std::move(answer) : std::move(answer).error().with_context("use '" + executable + "' (" + source + ")");
  };
  if (is_script(executable)) {
    if (const std::string target = behind_pyenv_shim(executable, search); !target.empty() && !is_script(target)) {
      return inspect(target, std::move(source), search);
    }
    return ask();
  }
  if (!files::base_name(real).starts_with("python")) return ask();   // mise, uv and others that look at argv[0]

  Interpreter found;
  found.executable = executable;
  found.source = source;
  const std::string venv = venv_of(executable);
  found.prefix = venv.empty() ? files::parent(files::parent(real)) : venv;
  // The name first: an environment's pyvenv.cfg keeps the old version when the Python below it was replaced.
  auto version = version_in_name(real);
  if (!version && !venv.empty()) version = version_in_pyvenv(files::read(venv + "/pyvenv.cfg").value_or(""));
  if (!version) return ask();
  const std::string library = "/lib/python" + std::to_string(version->major) + '.' + std::to_string(version->minor);
  if (venv.empty() && !files::is_folder(found.prefix + library)) return ask();   // an unusual layout
  found.major = version->major;
  found.minor = version->minor;
  return found;
}

std::string absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  std::array<char, PATH_MAX> cwd;
  return ::getcwd(cwd.data(), cwd.size()) != nullptr ? std::string(cwd.data()) + '/' + path : path;
}

// The interpreter of a virtual environment or installation; empty when it has none.
std::string in_folder(const std::string& folder) {
  for (const char* name : {"/bin/python", "/bin/python3"}) {
    if (files::is_program(folder + name)) return folder + name;
  }
  return {};
}

std::string on_path(const core::Environment& env, std::string_view name) {
  std::string_view path = find_env(env, "PATH").value_or("/usr/local/bin:/usr/bin:/bin");
  while (!path.empty()) {
    const std::size_t colon = std::min(path.find(':'), path.size());
    const std::string folder(path.substr(0, colon));
    path.remove_prefix(std::min(colon + 1, path.size()));
    const std::string candidate = absolute((folder.empty() ? "." : folder) + '/' + std::string(name));
    if (files::is_program(candidate)) return candidate;
  }
  return {};
}

core::Error missing(const std::string& what, const std::string& mend) {
  return text::error(ErrorCode::not_found, "find a Python interpreter: " + what + "; " + mend);
}

core::Result<Interpreter> find_wanted(const std::string& wanted, std::string_view source, const Search& search) {
  const std::string name(source);
  const bool is_name = wanted.find('/') == wanted.npos;
  std::string program = is_name ? on_path(search.env, wanted) : std::string();
  if (program.empty() && files::is_folder(absolute(wanted))) program = in_folder(absolute(wanted));
  if (program.empty() && !is_name && files::is_program(absolute(wanted))) program = absolute(wanted);
  if (!program.empty()) return inspect(program, name, search);
  return missing(name + " names '" + wanted + "', which is " + (is_name ? "not on PATH" : "no program, and no folder with bin/python"),
                 "give " + name + " the path of a Python interpreter or virtual environment");
}

// <prefix>/bin/pfast, or <prefix>/lib/python3.11/site-packages/…/pfast.
std::string beside(const std::string& own_executable) {
  if (own_executable.empty()) return {};
  for (const char* name : {"/python3", "/python"}) {
    const std::string candidate = files::parent(own_executable) + name;
    if (files::is_program(candidate)) return candidate;
  }
  const std::size_t packages = own_executable.find("/site-packages/");
  const std::size_t library = own_executable.rfind("/lib", packages);
  if (packages == own_executable.npos || library == own_executable.npos) return {};
  return in_folder(own_executable.substr(0, library));
}

}  // namespace

core::Result<Interpreter> find_interpreter(const std::optional<std::string>& wanted, const core::Environment& env,
                                           const std::string& root, const std::string& own_executable,
                                           std::string_view wanted_source) {
  const Search search{env, root};
  if (wanted && !wanted->empty()) return find_wanted(*wanted, wanted_source, search);

  if (const auto venv = find_env_text(env, "VIRTUAL_ENV")) {
    const std::string folder = absolute(std::string(*venv));
    if (const std::string program = in_folder(folder); !program.empty()) return inspect(program, "VIRTUAL_ENV", search);
    return missing("VIRTUAL_ENV names '" + folder + "', which has no bin/python",
                   "make the environment again, run `unset VIRTUAL_ENV`, or use --python");
  }
  if (const std::string folder = root + "/.venv"; files::exists(folder + "/pyvenv.cfg")) {
    if (const std::string program = in_folder(folder); !program.empty()) return inspect(program, ".venv", search);
    return missing("'" + folder + "' is a virtual environment without a working bin/python",
                   "make it again with `python3 -m venv --clear " + text::shell_word(folder) + "`, or use --python");
  }
  if (const std::string program = beside(own_executable); !program.empty()) return inspect(program, "beside pfast", search);
  for (const char* name : {"python3", "python"}) {
    if (const std::string program = on_path(env, name); !program.empty()) return inspect(program, "PATH", search);
  }
  return missing("no --python, no VIRTUAL_ENV, no '" + root + "/.venv', and no python3 on PATH", "use --python PATH");
}

core::Status check_version(const Interpreter& interpreter, int major, int minor) {
  if (interpreter.major == major && interpreter.minor == minor) return core::ok_status();
  const std::string wanted = std::to_string(major) + '.' + std::to_string(minor);
  return text::error(ErrorCode::refused,
                     "use '" + interpreter.executable + "' (" + interpreter.source + "): it is Python " +
                         std::to_string(interpreter.major) + '.' + std::to_string(interpreter.minor) +
                         ", and this pfast was built for Python " + wanted + "; use --python with a Python " + wanted +
                         ", or install pfast into that environment");
}

std::string own_executable() {
  std::array<char, PATH_MAX> target;
  const ssize_t length = ::readlink("/proc/self/exe", target.data(), target.size());
  if (length <= 0) return {};
  std::string path(target.data(), static_cast<std::size_t>(length));
  // Replaced by an upgrade while this process runs: the new one has taken the name.
  constexpr std::string_view k_deleted = " (deleted)";
  if (path.ends_with(k_deleted) && !files::exists(path)) path.resize(path.size() - k_deleted.size());
  return path;
}

}  // namespace pf::ctl
