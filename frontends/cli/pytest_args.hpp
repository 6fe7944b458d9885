// What the native reporter has to know of pytest's own arguments before the session tells what it made of them
// (core::TextOptions). Reading them decides nothing: pytest reads them again, and the ini file's addopts too.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pfcore/text_report.hpp>

namespace pf::cli {

struct PytestArgs {
  int verbosity = 0;
  bool no_header = false;
  bool interactive = false;            // --pdb, --trace, --pdbcls: the items run on the client's terminal
  bool prints = false;                 // --collect-only, --fixtures, --help …: printing is what the command is for
  bool captures = true;                // false: -s
  std::optional<std::string> color;    // --color
  std::optional<std::string> rootdir;  // --rootdir
  core::TextStyle style;               // everything that does not depend on the terminal
};

// `arguments`: PYTEST_ADDOPTS, split, then the command line's. Unknown options are passed over.
[[nodiscard]] PytestArgs read_pytest_args(const std::vector<std::string>& arguments);

// Words as a shell, and Python's shlex.split, would see them. An open quote ends with the text.
[[nodiscard]] std::vector<std::string> split_words(std::string_view text);

}  // namespace pf::cli
