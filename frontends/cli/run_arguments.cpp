#include "run_arguments.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace pf::cli {
namespace {

// No argument of pytest's begins with this byte.
constexpr char k_stand_in = '\x01';

// argparse's rule: with a blank in it, "-x y" is a value (-k "-x y"), unless it has the form --name=value.
bool only_looks_like_an_option(std::string_view text) {
  const std::size_t blank = text.find(' ');
  return text.starts_with('-') && blank != text.npos && text.find('=') > blank;
}

}  // namespace

RunArguments::RunArguments(std::vector<std::string> arguments) {
  const auto end = std::find(arguments.begin(), arguments.end(), "--");
  if (end != arguments.end()) verbatim_.assign(end + 1, arguments.end());
  arguments.erase(end, arguments.end());
  for (std::string& text : arguments) {
    if (!only_looks_like_an_option(text)) {
      visible_.push_back(std::move(text));
      continue;
    }
    visible_.push_back(k_stand_in + std::to_string(hidden_.size()));
    hidden_.push_back(std::move(text));
  }
}

std::vector<std::string> RunArguments::for_pytest(const std::vector<std::string>& left_over) const {
  std::vector<std::string> out;
  for (const std::string& text : left_over) {
    const bool is_stand_in = text.starts_with(k_stand_in);
    const std::size_t index = is_stand_in ? std::strtoul(text.c_str() + 1, nullptr, 10) : hidden_.size();
    out.push_back(index < hidden_.size() ? hidden_[index] : text);
  }
  out.insert(out.end(), verbatim_.begin(), verbatim_.end());
  return out;
}

}  // namespace pf::cli
