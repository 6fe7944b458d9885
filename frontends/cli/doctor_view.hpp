// All that `pfast doctor` looks at, fetched once. What could not be had is an error for a check to tell.
#pragma once

#include <optional>
#include <string>

#include <pfcore/daemon_messages.hpp>
#include <pfctl/installation.hpp>
#include <pfctl/machine_limits.hpp>

#include "context.hpp"
#include "doctor_report.hpp"

namespace pf::cli {

struct DoctorView {
  Context context;                                    // as far as it could be found
  std::optional<core::Error> settings_error;
  std::optional<core::Error> interpreter_error;       // not found, or of another version
  std::optional<core::Result<ctl::InterpreterFacts>> interpreter_facts;
  std::optional<ctl::RuntimeDir> runtime;
  std::optional<core::Error> runtime_error;
  std::optional<core::Error> address_error;           // of --address
  std::optional<core::Error> daemon_error;            // something is there and does not answer
  std::optional<core::StatusReply> status;            // there is a daemon
  std::optional<core::Explanation> explanation;       // and it could be asked
  std::optional<core::Error> explanation_error;
  int collect_code = 0;                               // --collect came to nothing: its exit code
  ctl::MachineLimits limits;
};

// Nothing is started or collected without `options.collect`. nullopt: a wrong option; the reason was printed and `exit_code` is set.
[[nodiscard]] std::optional<DoctorView> look_around(const DoctorOptions& options, int& exit_code);

// Why the suite itself could not be looked at; empty when there is a collected generation.
[[nodiscard]] std::string no_suite(const DoctorView& view);
// Below the root: from there on.
[[nodiscard]] std::string short_path(const DoctorView& view, const std::string& path);

// doctor_machine.cpp
[[nodiscard]] Check check_installation(const DoctorView& view);
[[nodiscard]] Check check_interpreter(const DoctorView& view);
[[nodiscard]] Check check_settings(const DoctorView& view);
[[nodiscard]] Check check_runtime(const DoctorView& view);
[[nodiscard]] Check check_processors(const DoctorView& view);
[[nodiscard]] Check check_memory(const DoctorView& view);
[[nodiscard]] Check check_limits(const DoctorView& view);

// doctor_suite.cpp
[[nodiscard]] Check check_daemon(const DoctorView& view);
[[nodiscard]] Check check_generations(const DoctorView& view);
[[nodiscard]] Check check_watch(const DoctorView& view);
[[nodiscard]] Check check_threads(const DoctorView& view);
[[nodiscard]] Check check_connections(const DoctorView& view);

}  // namespace pf::cli
