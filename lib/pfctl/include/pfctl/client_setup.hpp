// What every client that starts runs prepares alike: the daemon to be started, the request, the settings in it.
#pragma once

#include <string>

#include <pfcore/messages.hpp>
#include <pfctl/config.hpp>
#include <pfctl/daemon_process.hpp>

namespace pf::ctl {

// The daemon that a client starts when there is none.
struct DaemonSetup {
  std::string executable;        // pfast
  core::Environment env;
  std::string root;
  std::string python;
  std::string cwd;               // of the client: version 1 clients send none
  std::string socket;            // of an address that somebody named, else empty
  double ttl_s = 600;
};
[[nodiscard]] StartOptions start_options(const DaemonSetup& setup);

// What the settings say of a run, before the command line comes on top.
[[nodiscard]] core::RunOptions run_options(const Settings& settings);

// Arguments, folder, environment, umask of this process; program, options and terminal are the caller's to fill in. The setting
// `mark` goes before the arguments, so that an own -m wins.
[[nodiscard]] core::RunRequest make_request(const Settings& settings, core::OsStrings argv, std::string cwd, core::Environment env);

// An error in two parts: what and where, and how to mend it.
struct Complaint {
  std::string message;
  std::string hint;
};
// A library's error as a sentence. What follows its last "; " is the remedy, or else the clause with a command in backquotes.
[[nodiscard]] Complaint complaint_of(const core::Error& error);

// The folder that this process stands in; empty when it does not exist any more.
[[nodiscard]] std::string current_folder();

}  // namespace pf::ctl
