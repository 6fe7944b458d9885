// Where a command stands: environment, folder, settings, root, interpreter, the daemon's address and how to start it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <pfcore/messages.hpp>
#include <pfctl/client.hpp>
#include <pfctl/config.hpp>
#include <pfctl/interpreter.hpp>
#include <pfctl/runtime_dir.hpp>

#include "options.hpp"

namespace pf::cli {

struct Context {
  core::Environment env;
  std::string cwd;
  std::string root;
  ctl::Settings settings;
  ctl::Interpreter interpreter;
  ctl::Address address;
  bool explicit_address = false;       // somebody named it: --address or PFAST_ADDRESS
};

enum class Purpose {
  run,        // a daemon may be started: everything must be right, and the interpreter of pfast's version
  look,       // a daemon that is there is asked: only what its address needs; a file of settings may be broken by now
};

// nullopt: the reason has been printed and `exit_code` is set.
[[nodiscard]] std::optional<Context> find_context(const Where& where, Purpose purpose, int& exit_code);
// The part without interpreter and address.
[[nodiscard]] std::optional<Context> find_settings(const Where& where, Purpose purpose, int& exit_code);

// pfast-forkserver: PFAST_FORKSERVER, else beside the package in a virtual environment, in libexec of a prefix, or in the
// build folder, all relative to this executable; empty when it is nowhere.
[[nodiscard]] std::string find_forkserver(const core::Environment& env);

// Another program of pfast: beside this executable, or in the build folder.
[[nodiscard]] std::string find_program(std::string_view name);

// How a client starts the daemon of this context.
[[nodiscard]] ctl::StartOptions start_options(const Context& context, std::optional<double> ttl_s);
// Says why no daemon could be reached or started. Returns 75 when what lies at the address is not ours, else `exit_code`.
int refuse_connection(int exit_code, const Context& context, const core::Error& error, std::string_view hint);

}  // namespace pf::cli
