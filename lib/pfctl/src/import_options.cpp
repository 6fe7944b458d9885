#include <pfctl/import_options.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace pf::ctl {
namespace {

// pytest's and well-known plugins' long options that act after the imports. Sorted.
constexpr std::array<std::string_view, 48> k_later_flags = {
    "--cache-clear", "--co", "--collect-in-virtualenv", "--collect-only", "--collectonly", "--continue-on-collection-errors",
    "--disable-pytest-warnings", "--disable-warnings", "--exitfirst", "--failed-first", "--ff", "--fixtures",
    "--fixtures-per-test", "--force-short-summary", "--full-trace", "--funcargs", "--help", "--hypothesis-show-statistics",
    "--keep-duplicates", "--last-failed", "--lf", "--markers", "--new-first", "--nf", "--no-fold-skipped", "--no-header",
    "--no-showlocals", "--no-summary", "--pdb", "--quiet", "--runxfail", "--self-contained-html", "--setup-only", "--setup-plan",
    "--setup-show", "--setuponly", "--setupplan", "--setupshow", "--showlocals", "--stepwise", "--stepwise-reset",
    "--stepwise-skip", "--sw", "--sw-reset", "--sw-skip", "--trace", "--verbose", "--version"};
constexpr std::array<std::string_view, 54> k_later_values = {
    "--alluredir", "--basetemp", "--capture", "--code-highlight", "--color", "--css", "--deselect", "--dist", "--durations",
    "--durations-min", "--html", "--hypothesis-seed", "--ignore", "--ignore-glob", "--junit-prefix", "--junit-xml",
    "--junitprefix", "--junitxml", "--last-failed-no-failures", "--lfnf", "--log-auto-indent", "--log-cli-date-format",
    "--log-cli-format", "--log-cli-level", "--log-date-format", "--log-disable", "--log-file", "--log-file-date-format",
    "--log-file-format", "--log-file-level", "--log-file-mode", "--log-format", "--log-level", "--max-warnings", "--maxfail", "--maxprocesses",
    "--numprocesses", "--pastebin", "--pdbcls", "--random-order", "--random-order-bucket", "--random-order-seed",
    "--randomly-seed", "--repeat-scope", "--reruns", "--reruns-delay", "--session-timeout", "--show-capture", "--tb", "--timeout",
    "--timeout-method", "--tx", "--verbosity", "--xfail-tb"};
static_assert(std::is_sorted(k_later_flags.begin(), k_later_flags.end()));
static_assert(std::is_sorted(k_later_values.begin(), k_later_values.end()));
constexpr std::string_view k_vscode_plugin = "vscode_pytest";
constexpr std::string_view k_short_flags = "hlqsvxV";
constexpr std::string_view k_short_later_values = "kmnr";

template <std::size_t N>
bool has(const std::array<std::string_view, N>& sorted, std::string_view name) {
  return std::binary_search(sorted.begin(), sorted.end(), name);
}

bool names_a_file(std::string_view argument, std::string_view cwd) {
  std::string path(argument.substr(0, argument.substr(0, argument.find('[')).find("::")));
  if (path.empty()) return false;
  if (path.front() != '/') path = std::string(cwd) + "/" + path;
  struct stat status;
  return ::stat(path.c_str(), &status) == 0;
}

class Reader {
 public:
  Reader(const core::OsStrings& argv, std::string_view cwd) : argv_(argv), cwd_(cwd) {}

  std::string read() {
    for (at_ = 0; at_ < argv_.size(); ++at_) {
      const std::string_view argument = argv_[at_];
      if (argument == "--") break;
      if (argument.starts_with("--")) long_option(argument);
      else if (argument.size() > 1 && argument.front() == '-') short_options(argument);
    }
    return std::move(found_);
  }

 private:
  void keep(std::string_view text) {
    found_ += text;
    found_ += '\0';
  }

  // The value that is written apart; nothing when the next argument is an option.
  std::string_view next_value() {
    return at_ + 1 < argv_.size() ? std::string_view(argv_[++at_]) : std::string_view();
  }

  void long_option(std::string_view argument) {
    const std::size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    if (has(k_later_flags, name)) return;
    const bool has_value = equals != std::string_view::npos;
    if (has(k_later_values, name)) {
      if (!has_value && name != "--xfail-tb" && name != "--random-order") (void)next_value();
      return;
    }
    keep(argument);
    if (has_value || at_ + 1 >= argv_.size()) return;
    // Its value, or a test that is asked for? Only the parser knows; a name of a file is taken for a test.
    const std::string_view next = argv_[at_ + 1];
    if (next.starts_with("-") || names_a_file(next, cwd_)) return;
    ++at_;
    keep(next);
  }

  // "-xvs", "-rA", "-k expr", "-Werror"
  void short_options(std::string_view argument) {
    for (std::size_t i = 1; i < argument.size(); ++i) {
      const char letter = argument[i];
      if (k_short_flags.find(letter) != std::string_view::npos) continue;
      const std::string_view attached = argument.substr(i + 1);
      const std::string_view value = attached.empty() ? next_value() : attached;
      const bool is_later = k_short_later_values.find(letter) != std::string_view::npos || (letter == 'p' && value.starts_with("no:"));
      if (!is_later) {
        keep(std::string("-") + letter);
        keep(value);
      }
      return;
    }
  }

  const core::OsStrings& argv_;
  std::string_view cwd_;
  std::size_t at_ = 0;
  std::string found_;
};

}  // namespace

std::string import_options(const core::OsStrings& argv, std::string_view cwd) { return Reader(argv, cwd).read(); }

core::OsStrings list_import_options(const core::OsStrings& argv, std::string_view cwd) {
  const std::string found = import_options(argv, cwd);
  core::OsStrings out;
  for (std::size_t begin = 0; begin < found.size();) {
    const std::size_t end = found.find('\0', begin);   // each of them ends with one
    out.push_back(found.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

core::OsStrings without_session_plugins(const core::OsStrings& argv, std::span<const std::string> names) {
  const auto is_one = [&](std::string_view name) {
    return name == k_vscode_plugin || std::find(names.begin(), names.end(), name) != names.end();
  };
  core::OsStrings out;
  for (std::size_t i = 0; i < argv.size(); ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--") {
      out.insert(out.end(), argv.begin() + static_cast<std::ptrdiff_t>(i), argv.end());
      break;
    }
    if (argument == "-p" && i + 1 < argv.size() && is_one(argv[i + 1])) ++i;
    else if (!argument.starts_with("-p") || !is_one(argument.substr(2))) out.push_back(argv[i]);
  }
  return out;
}

}  // namespace pf::ctl
