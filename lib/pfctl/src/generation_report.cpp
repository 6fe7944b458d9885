// What a generation is made of, for `pfast doctor`; and what its daemon's log says of it.
#include <utility>

#include <pfctl/generation.hpp>
#include <pfctl/import_options.hpp>

namespace pf::ctl {
namespace {

std::string in_parentheses(const core::ImageThread& thread) {
  return thread.name + " (" + thread.module + (thread.location.empty() ? ")" : ", " + thread.location + ")");
}

core::OsStrings names_of(const core::Environment& env) {
  core::OsStrings out;
  for (const auto& entry : env) out.push_back(entry.first);
  return out;
}

}  // namespace

void Generation::note_image(core::BootReady& ready) {
  for (const core::ImageThread& thread : ready.threads) {
    log_.line("generation " + std::to_string(id_) + ": importing the suite started the thread " + in_parentheses(thread) +
              "; no fork has it: start it in a fixture, or spawn workers (--start-method spawn)");
  }
  std::vector<std::string> nodeids = std::exchange(ready.nodeids, {});
  std::vector<core::InputFile> inputs = std::exchange(ready.inputs, {});
  image_ = ready;
  ready.nodeids = std::move(nodeids);
  ready.inputs = std::move(inputs);
}

std::vector<std::string> Generation::threads() const {
  std::vector<std::string> out;
  for (const core::ImageThread& thread : image_.threads) out.push_back(in_parentheses(thread));
  return out;
}

core::GenerationReport Generation::report(TimePoint now) const {
  core::GenerationReport report;
  report.status = status(now);
  report.argv = plan_.argv;
  report.cwd = plan_.spec.cwd;
  report.scope = plan_.scope.paths;
  report.scope_is_whole = plan_.scope.whole;
  report.options = list_import_options(plan_.argv, plan_.spec.cwd);
  if (state_ == GenerationState::booting || state_ == GenerationState::failed) return report;
  report.boot_s = std::chrono::duration<double>(boot_ended_ - boot_started_).count();
  report.env_read = names_of(image_.env_read);
  report.env_absent = image_.env_absent;
  report.env_read_whole = image_.env_read_whole;
  report.inputs = static_cast<std::int64_t>(inputs_->size());
  if (const auto summary = inputs_->summary()) {
    report.env_keys = summary->variables;
    report.input_folders = static_cast<std::int64_t>(summary->folders);
    report.input_absent = static_cast<std::int64_t>(summary->absent);
    report.watch_folders = static_cast<std::int64_t>(summary->watch_folders);
    report.watched = summary->watched;
    report.watch_problem = summary->watch_problem;
  }
  report.collect_errors = image_.collect_errors;
  report.python_version = image_.python_version;
  report.pytest_version = image_.pytest_version;
  report.libpython = image_.libpython;
  report.flags = image_.flags;
  report.threads = image_.threads;
  report.native_threads = image_.native_threads;
  report.sockets = image_.sockets;
  report.no_checkpoints = ladder_ready_.obstacle;
  report.resumed_before = resumed_before_;
  return report;
}

}  // namespace pf::ctl
