#include <pfctl/rerun_arguments.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>

#include <pfctl/boot_scope.hpp>

namespace pf::ctl {
namespace {

namespace fs = std::filesystem;

std::string_view file_of(std::string_view nodeid) { return nodeid.substr(0, nodeid.find("::")); }

std::string absolute(const RerunFacts& facts, std::string_view nodeid) { return facts.rootdir + '/' + std::string(nodeid); }

bool is_file(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

// By pytest's default for python_files: of a file that no test was seen in so far.
bool looks_like_tests(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  return name.ends_with(".py") && (name.starts_with("test_") || name.ends_with("_test.py"));
}

// An edited folder is one in which files came or went.
std::set<std::string> test_files(const RerunFacts& facts, const std::set<std::string>& edited) {
  std::set<std::string> out;
  const auto consider = [&](const std::string& path) {
    if (is_file(path) && (facts.files.contains(path) || looks_like_tests(path))) out.insert(path);
  };
  for (const std::string& path : edited) {
    consider(path);
    std::error_code error;
    if (!fs::is_directory(path, error)) continue;
    for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
      if (!facts.files.contains(at->path().string())) consider(at->path().string());
    }
  }
  return out;
}

bool names_single_tests(const core::OsStrings& arguments) {
  return std::any_of(arguments.begin(), arguments.end(), [](const std::string& text) {
    return !text.starts_with('-') && text.substr(0, text.find('[')).find("::") != text.npos;
  });
}

bool selects(const BootScope& scope, const std::string& path) { return covers(scope, BootScope{{path}, false}); }

// pytest takes "a::b" to deselect whatever begins with it: a node id that another one begins with would take that along.
bool is_beginning_of_another(const std::string& nodeid, const RerunFacts& facts) {
  const auto next = facts.nodeids.upper_bound(nodeid);
  return next != facts.nodeids.end() && next->starts_with(nodeid);
}

}  // namespace

void learn(RerunFacts& facts, const RunFacts& run) {
  if (!run.rootdir.empty()) facts.rootdir = run.rootdir;
  const auto note = [&](const std::string& nodeid) {
    facts.nodeids.insert(nodeid);
    facts.files.insert(absolute(facts, file_of(nodeid)));
  };
  for (const std::string& nodeid : run.passed) {
    facts.failed.erase(nodeid);
    note(nodeid);
  }
  for (const std::string& nodeid : run.failed) {
    facts.failed.insert(nodeid);
    note(nodeid);
  }
  std::erase_if(facts.failed, [&](const std::string& nodeid) { return !is_file(absolute(facts, file_of(nodeid))); });
}

void forget(RerunFacts& facts, const std::set<std::string>& edited, bool everything) {
  const std::set<std::string> files = test_files(facts, edited);
  const auto is_gone = [&](const std::string& nodeid) { return everything || files.contains(absolute(facts, file_of(nodeid))); };
  std::erase_if(facts.nodeids, is_gone);
  std::erase_if(facts.failed, is_gone);
}

bool is_complete(const RerunFacts& facts, const RunFacts& run) {
  return std::all_of(facts.nodeids.begin(), facts.nodeids.end(),
                     [&](const std::string& nodeid) { return run.passed.contains(nodeid) || run.failed.contains(nodeid); });
}

core::OsStrings first_arguments(const core::OsStrings& arguments, const std::string& cwd, const RerunFacts& facts,
                                const std::set<std::string>& edited) {
  if (facts.rootdir.empty() || names_single_tests(arguments)) return {};
  const BootScope scope = scope_of(arguments, cwd);
  const std::set<std::string> files = test_files(facts, edited);
  core::OsStrings out = without_paths(arguments, cwd);
  const std::size_t options = out.size();
  for (const std::string& file : files) {
    if (selects(scope, file)) out.push_back(file);
  }
  for (const std::string& nodeid : facts.failed) {
    const std::string file = absolute(facts, file_of(nodeid));
    if (!files.contains(file) && selects(scope, file)) out.push_back(absolute(facts, nodeid));
  }
  return out.size() == options ? core::OsStrings() : out;
}

core::OsStrings failed_arguments(const core::OsStrings& arguments, const std::string& cwd, const RerunFacts& facts) {
  if (facts.failed.empty()) return {};
  core::OsStrings out = without_paths(arguments, cwd);
  for (const std::string& nodeid : facts.failed) out.push_back(absolute(facts, nodeid));
  return out;
}

core::OsStrings rest_arguments(const core::OsStrings& arguments, const RerunFacts& facts, const std::set<std::string>& edited,
                               const RunFacts& first) {
  core::OsStrings out = arguments;
  std::set<std::string> files;
  for (const std::string& path : test_files(facts, edited)) {
    if (path.starts_with(facts.rootdir + '/')) files.insert(path.substr(facts.rootdir.size() + 1));
  }
  const auto leave_out = [&](const std::string& nodeid) {
    const std::string file(file_of(nodeid));
    if (!files.contains(file) && !is_beginning_of_another(nodeid, facts)) out.push_back("--deselect=" + nodeid);
  };
  for (const std::string& file : files) out.push_back("--deselect=" + file + "::");
  for (const std::string& nodeid : first.passed) leave_out(nodeid);
  for (const std::string& nodeid : first.failed) leave_out(nodeid);
  return out;
}

}  // namespace pf::ctl
